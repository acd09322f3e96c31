import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { generateDescriptor } from "../../scripts/proto.mjs";
import { AGENT_SERVICE, type CallEvent, type CallRequest } from "../../src/tasks/rpc/protocol.ts";

const PROTO = new URL("../../proto/etask/agent.proto", import.meta.url);
const GENERATED = new URL("../../src/tasks/rpc/proto/generated/agent.ts", import.meta.url);
const text = readFileSync(PROTO, "utf8");
const { root } = protobuf.parse(text);

/** Through the wire and back, written by us and read by what reads the file itself. */
function reread(name: string, bytes: Uint8Array): object {
  const type = root.lookupType(`etask.agent.v1.${name}`);
  return type.toObject(type.decode(bytes), { longs: Number, bytes: String });
}

test("protocol: the generated file is what the generator makes of agent.proto", () => {
  expect(readFileSync(GENERATED, "utf8")).toBe(generateDescriptor(text));
});

test("protocol: a call is on the wire what agent.proto says", () => {
  const request: CallRequest = {
    protocol: 1,
    incarnation: "5f",
    task: "node-7/1",
    attempt: 3,
    fence: Number.MAX_SAFE_INTEGER,
    method: "disk.format",
    input: Buffer.from("{}"),
    headers: { tenant: "Müller" },
  };
  const bytes = AGENT_SERVICE.Call.requestSerialize(request);
  expect(reread("CallRequest", bytes)).toEqual({ ...request, input: "e30=" });
  expect(AGENT_SERVICE.Call.requestDeserialize(bytes)).toEqual(request);
});

test.each<CallEvent>([
  { event: "accepted", accepted: {} },
  { event: "progress", progress: { percent: 12.5, detail: Buffer.from("1") } },
  { event: "log", log: { text: "a\nb" } },
  { event: "result", result: { output: Buffer.alloc(0) } },
  {
    event: "failure",
    failure: {
      name: "Error",
      message: "no",
      code: "E",
      stack: "",
      cause: null,
      final: true,
      retryAfterMs: 2,
    },
  },
])("protocol: the event $event arrives as it was sent", (event) => {
  const bytes = AGENT_SERVICE.Call.responseSerialize(event);
  expect(AGENT_SERVICE.Call.responseDeserialize(bytes)).toEqual(event);
});
