// Made from etcd.proto by scripts/proto.mjs; not edited by hand.

import * as wire from "../wire.ts";

const EMPTY = new Uint8Array();

export type AlarmAction = "GET" | "ACTIVATE" | "DEACTIVATE";
const alarmActions: Readonly<Record<AlarmAction, number>> = {
  GET: 0,
  ACTIVATE: 1,
  DEACTIVATE: 2,
};

export type CompareResult = "EQUAL" | "GREATER" | "LESS" | "NOT_EQUAL";
const compareResults: Readonly<Record<CompareResult, number>> = {
  EQUAL: 0,
  GREATER: 1,
  LESS: 2,
  NOT_EQUAL: 3,
};

export type CompareTarget = "VERSION" | "CREATE" | "MOD" | "VALUE" | "LEASE";
const compareTargets: Readonly<Record<CompareTarget, number>> = {
  VERSION: 0,
  CREATE: 1,
  MOD: 2,
  VALUE: 3,
  LEASE: 4,
};

export type AlarmType = "NONE" | "NOSPACE" | "CORRUPT";
const alarmTypes: Readonly<Record<AlarmType, number>> = {
  NONE: 0,
  NOSPACE: 1,
  CORRUPT: 2,
};

export type EventType = "PUT" | "DELETE";
const eventTypes: Readonly<Record<EventType, number>> = {
  PUT: 0,
  DELETE: 1,
};

export interface RangeRequest {
  readonly key?: string | undefined;
  readonly rangeEnd?: string | undefined;
  readonly limit?: number | undefined;
  readonly revision?: number | undefined;
}

function writeRangeRequest(writer: wire.Writer, message: RangeRequest): wire.Writer {
  if (message.key !== undefined && message.key !== "") {
    writer.uint32(10);
    wire.writeKey(writer, message.key);
  }
  if (message.rangeEnd !== undefined && message.rangeEnd !== "") {
    writer.uint32(18);
    wire.writeKey(writer, message.rangeEnd);
  }
  if (message.limit !== undefined && message.limit !== 0) {
    writer.uint32(24);
    wire.writeSafeInteger(writer, message.limit);
  }
  if (message.revision !== undefined && message.revision !== 0) {
    writer.uint32(32);
    wire.writeSafeInteger(writer, message.revision);
  }
  return writer;
}

export function encodeRangeRequest(message: RangeRequest): Uint8Array {
  return writeRangeRequest(wire.createWriter(), message).finish();
}

export interface PutRequest {
  readonly key?: string | undefined;
  readonly value?: Uint8Array | undefined;
  readonly lease?: string | undefined;
}

function writePutRequest(writer: wire.Writer, message: PutRequest): wire.Writer {
  if (message.key !== undefined && message.key !== "") {
    writer.uint32(10);
    wire.writeKey(writer, message.key);
  }
  if (message.value !== undefined) {
    writer.uint32(18);
    writer.bytes(message.value);
  }
  if (message.lease !== undefined && message.lease !== "0") {
    writer.uint32(24);
    wire.writeInt64Text(writer, message.lease);
  }
  return writer;
}

export function encodePutRequest(message: PutRequest): Uint8Array {
  return writePutRequest(wire.createWriter(), message).finish();
}

export interface DeleteRangeRequest {
  readonly key?: string | undefined;
}

function writeDeleteRangeRequest(writer: wire.Writer, message: DeleteRangeRequest): wire.Writer {
  if (message.key !== undefined && message.key !== "") {
    writer.uint32(10);
    wire.writeKey(writer, message.key);
  }
  return writer;
}

export function encodeDeleteRangeRequest(message: DeleteRangeRequest): Uint8Array {
  return writeDeleteRangeRequest(wire.createWriter(), message).finish();
}

export interface RequestOp {
  readonly requestRange?: RangeRequest | undefined;
  readonly requestPut?: PutRequest | undefined;
  readonly requestDeleteRange?: DeleteRangeRequest | undefined;
  readonly requestTxn?: TxnRequest | undefined;
}

function writeRequestOp(writer: wire.Writer, message: RequestOp): wire.Writer {
  if (message.requestRange !== undefined) {
    writer.uint32(10);
    writeRangeRequest(writer.fork(), message.requestRange).ldelim();
  }
  if (message.requestPut !== undefined) {
    writer.uint32(18);
    writePutRequest(writer.fork(), message.requestPut).ldelim();
  }
  if (message.requestDeleteRange !== undefined) {
    writer.uint32(26);
    writeDeleteRangeRequest(writer.fork(), message.requestDeleteRange).ldelim();
  }
  if (message.requestTxn !== undefined) {
    writer.uint32(34);
    writeTxnRequest(writer.fork(), message.requestTxn).ldelim();
  }
  return writer;
}

export interface Compare {
  readonly result?: CompareResult | undefined;
  readonly target?: CompareTarget | undefined;
  readonly key?: string | undefined;
  readonly version?: number | undefined;
  readonly createRevision?: number | undefined;
  readonly modRevision?: number | undefined;
}

function writeCompare(writer: wire.Writer, message: Compare): wire.Writer {
  if (message.result !== undefined && message.result !== "EQUAL") {
    writer.uint32(8);
    writer.int32(wire.enumNumber(compareResults, message.result));
  }
  if (message.target !== undefined && message.target !== "VERSION") {
    writer.uint32(16);
    writer.int32(wire.enumNumber(compareTargets, message.target));
  }
  if (message.key !== undefined && message.key !== "") {
    writer.uint32(26);
    wire.writeKey(writer, message.key);
  }
  if (message.version !== undefined) {
    writer.uint32(32);
    wire.writeSafeInteger(writer, message.version);
  }
  if (message.createRevision !== undefined) {
    writer.uint32(40);
    wire.writeSafeInteger(writer, message.createRevision);
  }
  if (message.modRevision !== undefined) {
    writer.uint32(48);
    wire.writeSafeInteger(writer, message.modRevision);
  }
  return writer;
}

export interface TxnRequest {
  readonly compare?: readonly Compare[] | undefined;
  readonly success?: readonly RequestOp[] | undefined;
  readonly failure?: readonly RequestOp[] | undefined;
}

function writeTxnRequest(writer: wire.Writer, message: TxnRequest): wire.Writer {
  for (const item of message.compare ?? []) {
    writer.uint32(10);
    writeCompare(writer.fork(), item).ldelim();
  }
  for (const item of message.success ?? []) {
    writer.uint32(18);
    writeRequestOp(writer.fork(), item).ldelim();
  }
  for (const item of message.failure ?? []) {
    writer.uint32(26);
    writeRequestOp(writer.fork(), item).ldelim();
  }
  return writer;
}

export function encodeTxnRequest(message: TxnRequest): Uint8Array {
  return writeTxnRequest(wire.createWriter(), message).finish();
}

export interface CompactionRequest {
  readonly revision?: number | undefined;
  readonly physical?: boolean | undefined;
}

function writeCompactionRequest(writer: wire.Writer, message: CompactionRequest): wire.Writer {
  if (message.revision !== undefined && message.revision !== 0) {
    writer.uint32(8);
    wire.writeSafeInteger(writer, message.revision);
  }
  if (message.physical !== undefined && message.physical !== false) {
    writer.uint32(16);
    writer.bool(message.physical);
  }
  return writer;
}

export function encodeCompactionRequest(message: CompactionRequest): Uint8Array {
  return writeCompactionRequest(wire.createWriter(), message).finish();
}

export interface WatchRequest {
  readonly createRequest?: WatchCreateRequest | undefined;
  readonly cancelRequest?: WatchCancelRequest | undefined;
  readonly progressRequest?: WatchProgressRequest | undefined;
}

function writeWatchRequest(writer: wire.Writer, message: WatchRequest): wire.Writer {
  if (message.createRequest !== undefined) {
    writer.uint32(10);
    writeWatchCreateRequest(writer.fork(), message.createRequest).ldelim();
  }
  if (message.cancelRequest !== undefined) {
    writer.uint32(18);
    writeWatchCancelRequest(writer.fork(), message.cancelRequest).ldelim();
  }
  if (message.progressRequest !== undefined) {
    writer.uint32(26);
    writeWatchProgressRequest(writer.fork(), message.progressRequest).ldelim();
  }
  return writer;
}

export function encodeWatchRequest(message: WatchRequest): Uint8Array {
  return writeWatchRequest(wire.createWriter(), message).finish();
}

export interface WatchCreateRequest {
  readonly key?: string | undefined;
  readonly rangeEnd?: string | undefined;
  readonly startRevision?: number | undefined;
  readonly progressNotify?: boolean | undefined;
  readonly fragment?: boolean | undefined;
}

function writeWatchCreateRequest(writer: wire.Writer, message: WatchCreateRequest): wire.Writer {
  if (message.key !== undefined && message.key !== "") {
    writer.uint32(10);
    wire.writeKey(writer, message.key);
  }
  if (message.rangeEnd !== undefined && message.rangeEnd !== "") {
    writer.uint32(18);
    wire.writeKey(writer, message.rangeEnd);
  }
  if (message.startRevision !== undefined && message.startRevision !== 0) {
    writer.uint32(24);
    wire.writeSafeInteger(writer, message.startRevision);
  }
  if (message.progressNotify !== undefined && message.progressNotify !== false) {
    writer.uint32(32);
    writer.bool(message.progressNotify);
  }
  if (message.fragment !== undefined && message.fragment !== false) {
    writer.uint32(64);
    writer.bool(message.fragment);
  }
  return writer;
}

export function encodeWatchCreateRequest(message: WatchCreateRequest): Uint8Array {
  return writeWatchCreateRequest(wire.createWriter(), message).finish();
}

export interface WatchCancelRequest {
  readonly watchId?: number | undefined;
}

function writeWatchCancelRequest(writer: wire.Writer, message: WatchCancelRequest): wire.Writer {
  if (message.watchId !== undefined && message.watchId !== 0) {
    writer.uint32(8);
    wire.writeSafeInteger(writer, message.watchId);
  }
  return writer;
}

export function encodeWatchCancelRequest(message: WatchCancelRequest): Uint8Array {
  return writeWatchCancelRequest(wire.createWriter(), message).finish();
}

export type WatchProgressRequest = Readonly<Record<string, never>>;

function writeWatchProgressRequest(writer: wire.Writer, _message: WatchProgressRequest): wire.Writer {
  return writer;
}

export function encodeWatchProgressRequest(message: WatchProgressRequest): Uint8Array {
  return writeWatchProgressRequest(wire.createWriter(), message).finish();
}

export interface LeaseGrantRequest {
  readonly ttl?: number | undefined;
  readonly id?: string | undefined;
}

function writeLeaseGrantRequest(writer: wire.Writer, message: LeaseGrantRequest): wire.Writer {
  if (message.ttl !== undefined && message.ttl !== 0) {
    writer.uint32(8);
    wire.writeSafeInteger(writer, message.ttl);
  }
  if (message.id !== undefined && message.id !== "0") {
    writer.uint32(16);
    wire.writeInt64Text(writer, message.id);
  }
  return writer;
}

export function encodeLeaseGrantRequest(message: LeaseGrantRequest): Uint8Array {
  return writeLeaseGrantRequest(wire.createWriter(), message).finish();
}

export interface LeaseRevokeRequest {
  readonly id?: string | undefined;
}

function writeLeaseRevokeRequest(writer: wire.Writer, message: LeaseRevokeRequest): wire.Writer {
  if (message.id !== undefined && message.id !== "0") {
    writer.uint32(8);
    wire.writeInt64Text(writer, message.id);
  }
  return writer;
}

export function encodeLeaseRevokeRequest(message: LeaseRevokeRequest): Uint8Array {
  return writeLeaseRevokeRequest(wire.createWriter(), message).finish();
}

export interface LeaseKeepAliveRequest {
  readonly id?: string | undefined;
}

function writeLeaseKeepAliveRequest(writer: wire.Writer, message: LeaseKeepAliveRequest): wire.Writer {
  if (message.id !== undefined && message.id !== "0") {
    writer.uint32(8);
    wire.writeInt64Text(writer, message.id);
  }
  return writer;
}

export function encodeLeaseKeepAliveRequest(message: LeaseKeepAliveRequest): Uint8Array {
  return writeLeaseKeepAliveRequest(wire.createWriter(), message).finish();
}

export type MemberListRequest = Readonly<Record<string, never>>;

function writeMemberListRequest(writer: wire.Writer, _message: MemberListRequest): wire.Writer {
  return writer;
}

export function encodeMemberListRequest(message: MemberListRequest): Uint8Array {
  return writeMemberListRequest(wire.createWriter(), message).finish();
}

export type StatusRequest = Readonly<Record<string, never>>;

function writeStatusRequest(writer: wire.Writer, _message: StatusRequest): wire.Writer {
  return writer;
}

export function encodeStatusRequest(message: StatusRequest): Uint8Array {
  return writeStatusRequest(wire.createWriter(), message).finish();
}

export interface AlarmRequest {
  readonly action?: AlarmAction | undefined;
}

function writeAlarmRequest(writer: wire.Writer, message: AlarmRequest): wire.Writer {
  if (message.action !== undefined && message.action !== "GET") {
    writer.uint32(8);
    writer.int32(wire.enumNumber(alarmActions, message.action));
  }
  return writer;
}

export function encodeAlarmRequest(message: AlarmRequest): Uint8Array {
  return writeAlarmRequest(wire.createWriter(), message).finish();
}

export interface AuthenticateRequest {
  readonly name?: string | undefined;
  readonly password?: string | undefined;
}

function writeAuthenticateRequest(writer: wire.Writer, message: AuthenticateRequest): wire.Writer {
  if (message.name !== undefined && message.name !== "") {
    writer.uint32(10);
    writer.string(message.name);
  }
  if (message.password !== undefined && message.password !== "") {
    writer.uint32(18);
    writer.string(message.password);
  }
  return writer;
}

export function encodeAuthenticateRequest(message: AuthenticateRequest): Uint8Array {
  return writeAuthenticateRequest(wire.createWriter(), message).finish();
}

export interface ResponseHeader {
  clusterId: string;
  memberId: string;
  revision: number;
}

function readResponseHeader(reader: wire.Reader, end: number): ResponseHeader {
  const message: ResponseHeader = {
    clusterId: "0",
    memberId: "0",
    revision: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        message.clusterId = wire.readUint64Text(reader);
        break;
      case 16:
        message.memberId = wire.readUint64Text(reader);
        break;
      case 24:
        message.revision = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface KeyValue {
  key: string;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Uint8Array;
  lease: string;
}

function readKeyValue(reader: wire.Reader, end: number): KeyValue {
  const message: KeyValue = {
    key: "",
    createRevision: 0,
    modRevision: 0,
    version: 0,
    value: EMPTY,
    lease: "0",
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.key = wire.readKey(reader);
        break;
      case 16:
        message.createRevision = wire.readSafeInteger(reader);
        break;
      case 24:
        message.modRevision = wire.readSafeInteger(reader);
        break;
      case 32:
        message.version = wire.readSafeInteger(reader);
        break;
      case 42:
        message.value = reader.bytes();
        break;
      case 48:
        message.lease = wire.readInt64Text(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface Event {
  type: EventType;
  kv: KeyValue | undefined;
}

function readEvent(reader: wire.Reader, end: number): Event {
  const message: Event = {
    type: "PUT",
    kv: undefined,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        message.type = wire.enumName(eventTypes, reader.int32());
        break;
      case 18:
        message.kv = readKeyValue(reader, reader.uint32() + reader.pos);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface RangeResponse {
  header: ResponseHeader | undefined;
  kvs: KeyValue[];
  more: boolean;
  count: number;
}

function readRangeResponse(reader: wire.Reader, end: number): RangeResponse {
  const message: RangeResponse = {
    header: undefined,
    kvs: [],
    more: false,
    count: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.kvs.push(readKeyValue(reader, reader.uint32() + reader.pos));
        break;
      case 24:
        message.more = reader.bool();
        break;
      case 32:
        message.count = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeRangeResponse(bytes: Uint8Array): RangeResponse {
  return readRangeResponse(wire.createReader(bytes), bytes.length);
}

export interface PutResponse {
  header: ResponseHeader | undefined;
}

function readPutResponse(reader: wire.Reader, end: number): PutResponse {
  const message: PutResponse = {
    header: undefined,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodePutResponse(bytes: Uint8Array): PutResponse {
  return readPutResponse(wire.createReader(bytes), bytes.length);
}

export interface DeleteRangeResponse {
  header: ResponseHeader | undefined;
  deleted: number;
}

function readDeleteRangeResponse(reader: wire.Reader, end: number): DeleteRangeResponse {
  const message: DeleteRangeResponse = {
    header: undefined,
    deleted: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 16:
        message.deleted = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeDeleteRangeResponse(bytes: Uint8Array): DeleteRangeResponse {
  return readDeleteRangeResponse(wire.createReader(bytes), bytes.length);
}

export interface ResponseOp {
  responseRange: RangeResponse | undefined;
  responsePut: PutResponse | undefined;
  responseDeleteRange: DeleteRangeResponse | undefined;
  responseTxn: TxnResponse | undefined;
}

function readResponseOp(reader: wire.Reader, end: number): ResponseOp {
  const message: ResponseOp = {
    responseRange: undefined,
    responsePut: undefined,
    responseDeleteRange: undefined,
    responseTxn: undefined,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.responseRange = readRangeResponse(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.responsePut = readPutResponse(reader, reader.uint32() + reader.pos);
        break;
      case 26:
        message.responseDeleteRange = readDeleteRangeResponse(reader, reader.uint32() + reader.pos);
        break;
      case 34:
        message.responseTxn = readTxnResponse(reader, reader.uint32() + reader.pos);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface TxnResponse {
  header: ResponseHeader | undefined;
  succeeded: boolean;
  responses: ResponseOp[];
}

function readTxnResponse(reader: wire.Reader, end: number): TxnResponse {
  const message: TxnResponse = {
    header: undefined,
    succeeded: false,
    responses: [],
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 16:
        message.succeeded = reader.bool();
        break;
      case 26:
        message.responses.push(readResponseOp(reader, reader.uint32() + reader.pos));
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeTxnResponse(bytes: Uint8Array): TxnResponse {
  return readTxnResponse(wire.createReader(bytes), bytes.length);
}

export interface CompactionResponse {
  header: ResponseHeader | undefined;
}

function readCompactionResponse(reader: wire.Reader, end: number): CompactionResponse {
  const message: CompactionResponse = {
    header: undefined,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeCompactionResponse(bytes: Uint8Array): CompactionResponse {
  return readCompactionResponse(wire.createReader(bytes), bytes.length);
}

export interface WatchResponse {
  header: ResponseHeader | undefined;
  watchId: number;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: Event[];
}

function readWatchResponse(reader: wire.Reader, end: number): WatchResponse {
  const message: WatchResponse = {
    header: undefined,
    watchId: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: false,
    events: [],
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 16:
        message.watchId = wire.readSafeInteger(reader);
        break;
      case 24:
        message.created = reader.bool();
        break;
      case 32:
        message.canceled = reader.bool();
        break;
      case 40:
        message.compactRevision = wire.readSafeInteger(reader);
        break;
      case 50:
        message.cancelReason = reader.string();
        break;
      case 56:
        message.fragment = reader.bool();
        break;
      case 90:
        message.events.push(readEvent(reader, reader.uint32() + reader.pos));
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeWatchResponse(bytes: Uint8Array): WatchResponse {
  return readWatchResponse(wire.createReader(bytes), bytes.length);
}

export interface LeaseGrantResponse {
  header: ResponseHeader | undefined;
  id: string;
  ttl: number;
}

function readLeaseGrantResponse(reader: wire.Reader, end: number): LeaseGrantResponse {
  const message: LeaseGrantResponse = {
    header: undefined,
    id: "0",
    ttl: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 16:
        message.id = wire.readInt64Text(reader);
        break;
      case 24:
        message.ttl = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeLeaseGrantResponse(bytes: Uint8Array): LeaseGrantResponse {
  return readLeaseGrantResponse(wire.createReader(bytes), bytes.length);
}

export interface LeaseRevokeResponse {
  header: ResponseHeader | undefined;
}

function readLeaseRevokeResponse(reader: wire.Reader, end: number): LeaseRevokeResponse {
  const message: LeaseRevokeResponse = {
    header: undefined,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeLeaseRevokeResponse(bytes: Uint8Array): LeaseRevokeResponse {
  return readLeaseRevokeResponse(wire.createReader(bytes), bytes.length);
}

export interface LeaseKeepAliveResponse {
  header: ResponseHeader | undefined;
  id: string;
  ttl: number;
}

function readLeaseKeepAliveResponse(reader: wire.Reader, end: number): LeaseKeepAliveResponse {
  const message: LeaseKeepAliveResponse = {
    header: undefined,
    id: "0",
    ttl: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 16:
        message.id = wire.readInt64Text(reader);
        break;
      case 24:
        message.ttl = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeLeaseKeepAliveResponse(bytes: Uint8Array): LeaseKeepAliveResponse {
  return readLeaseKeepAliveResponse(wire.createReader(bytes), bytes.length);
}

export interface Member {
  id: string;
  clientURLs: string[];
  isLearner: boolean;
}

function readMember(reader: wire.Reader, end: number): Member {
  const message: Member = {
    id: "0",
    clientURLs: [],
    isLearner: false,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        message.id = wire.readUint64Text(reader);
        break;
      case 34:
        message.clientURLs.push(reader.string());
        break;
      case 40:
        message.isLearner = reader.bool();
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface MemberListResponse {
  header: ResponseHeader | undefined;
  members: Member[];
}

function readMemberListResponse(reader: wire.Reader, end: number): MemberListResponse {
  const message: MemberListResponse = {
    header: undefined,
    members: [],
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.members.push(readMember(reader, reader.uint32() + reader.pos));
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeMemberListResponse(bytes: Uint8Array): MemberListResponse {
  return readMemberListResponse(wire.createReader(bytes), bytes.length);
}

export interface StatusResponse {
  header: ResponseHeader | undefined;
  version: string;
  dbSize: number;
  leader: string;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
  isLearner: boolean;
  dbSizeQuota: number;
}

function readStatusResponse(reader: wire.Reader, end: number): StatusResponse {
  const message: StatusResponse = {
    header: undefined,
    version: "",
    dbSize: 0,
    leader: "0",
    raftIndex: 0,
    raftTerm: 0,
    raftAppliedIndex: 0,
    errors: [],
    dbSizeInUse: 0,
    isLearner: false,
    dbSizeQuota: 0,
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.version = reader.string();
        break;
      case 24:
        message.dbSize = wire.readSafeInteger(reader);
        break;
      case 32:
        message.leader = wire.readUint64Text(reader);
        break;
      case 40:
        message.raftIndex = wire.readSafeInteger(reader);
        break;
      case 48:
        message.raftTerm = wire.readSafeInteger(reader);
        break;
      case 56:
        message.raftAppliedIndex = wire.readSafeInteger(reader);
        break;
      case 66:
        message.errors.push(reader.string());
        break;
      case 72:
        message.dbSizeInUse = wire.readSafeInteger(reader);
        break;
      case 80:
        message.isLearner = reader.bool();
        break;
      case 96:
        message.dbSizeQuota = wire.readSafeInteger(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeStatusResponse(bytes: Uint8Array): StatusResponse {
  return readStatusResponse(wire.createReader(bytes), bytes.length);
}

export interface AlarmMember {
  memberId: string;
  alarm: AlarmType;
}

function readAlarmMember(reader: wire.Reader, end: number): AlarmMember {
  const message: AlarmMember = {
    memberId: "0",
    alarm: "NONE",
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        message.memberId = wire.readUint64Text(reader);
        break;
      case 16:
        message.alarm = wire.enumName(alarmTypes, reader.int32());
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export interface AlarmResponse {
  header: ResponseHeader | undefined;
  alarms: AlarmMember[];
}

function readAlarmResponse(reader: wire.Reader, end: number): AlarmResponse {
  const message: AlarmResponse = {
    header: undefined,
    alarms: [],
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.alarms.push(readAlarmMember(reader, reader.uint32() + reader.pos));
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeAlarmResponse(bytes: Uint8Array): AlarmResponse {
  return readAlarmResponse(wire.createReader(bytes), bytes.length);
}

export interface AuthenticateResponse {
  header: ResponseHeader | undefined;
  token: string;
}

function readAuthenticateResponse(reader: wire.Reader, end: number): AuthenticateResponse {
  const message: AuthenticateResponse = {
    header: undefined,
    token: "",
  };
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        message.header = readResponseHeader(reader, reader.uint32() + reader.pos);
        break;
      case 18:
        message.token = reader.string();
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return message;
}

export function decodeAuthenticateResponse(bytes: Uint8Array): AuthenticateResponse {
  return readAuthenticateResponse(wire.createReader(bytes), bytes.length);
}
