import { describe, expect, test } from "vitest";
import { parseStoreUrl, redactStoreUrl, type StoreUrlError } from "./store-url.ts";

const ETCD = {
  driver: "etcd",
  endpoints: [{ host: "h", port: 2379 }],
  namespace: "etask",
  username: undefined,
  password: undefined,
  tls: undefined,
};
const TLS = { ca: undefined, cert: undefined, key: undefined, serverName: undefined };
const LONGEST = "n".repeat(128);

const good: readonly (readonly [url: string, location: object])[] = [
  ["memory:", { driver: "memory" }],
  ["embedded:./.etask", { driver: "embedded", directory: "./.etask" }],
  ["embedded:/var/lib/etask", { driver: "embedded", directory: "/var/lib/etask" }],
  ["embedded:C:\\data", { driver: "embedded", directory: "C:\\data" }],
  ["embedded:a b?c#d", { driver: "embedded", directory: "a b?c#d" }],
  ["etcd://h", ETCD],
  ["etcd://h/", ETCD],
  ["etcd://h:1", { ...ETCD, endpoints: [{ host: "h", port: 1 }] }],
  ["etcd://h:65535", { ...ETCD, endpoints: [{ host: "h", port: 65_535 }] }],
  ["etcd://10.0.0.1:2379", { ...ETCD, endpoints: [{ host: "10.0.0.1", port: 2379 }] }],
  ["etcd://[::1]", { ...ETCD, endpoints: [{ host: "::1", port: 2379 }] }],
  ["etcd://[fe80::2]:4001", { ...ETCD, endpoints: [{ host: "fe80::2", port: 4001 }] }],
  [
    "etcd://a:1,b,[::1]:3/ns",
    {
      ...ETCD,
      namespace: "ns",
      endpoints: [
        { host: "a", port: 1 },
        { host: "b", port: 2379 },
        { host: "::1", port: 3 },
      ],
    },
  ],
  ["etcd://h/ufs/monitor", { ...ETCD, namespace: "ufs/monitor" }],
  ["etcd://h/a.b_c-d/9/", { ...ETCD, namespace: "a.b_c-d/9" }],
  [`etcd://h/${LONGEST}`, { ...ETCD, namespace: LONGEST }],
  ["etcd://u:p@h", { ...ETCD, username: "u", password: "p" }],
  ["etcd://u:@h", { ...ETCD, username: "u", password: "" }],
  ["etcd://u%3A:p%40%2F%25@h", { ...ETCD, username: "u:", password: "p@/%" }],
  ["etcd://u:p:q@h", { ...ETCD, username: "u", password: "p:q" }],
  ["etcd://u:%C3%A9@h", { ...ETCD, username: "u", password: "é" }],
  ["etcd://h?quota=1000", { ...ETCD, quotaBytes: 1_000 }],
  ["etcd://h?quota=256MiB", { ...ETCD, quotaBytes: 256 * 1024 ** 2 }],
  ["etcds://h/?quota=8GiB", { ...ETCD, tls: TLS, quotaBytes: 8 * 1024 ** 3 }],
  ["etcds://h", { ...ETCD, tls: TLS }],
  ["etcds://h?ca=/a@b.pem", { ...ETCD, tls: { ...TLS, ca: "/a@b.pem" } }],
  ["etcds://h:2379?ca=a@b.pem", { ...ETCD, tls: { ...TLS, ca: "a@b.pem" } }],
  [
    "etcds://u:p@h/ns?ca=a&cert=c%20d&key=k&serverName=etcd.local",
    {
      ...ETCD,
      namespace: "ns",
      username: "u",
      password: "p",
      tls: { ca: "a", cert: "c d", key: "k", serverName: "etcd.local" },
    },
  ],
];

const bad: readonly (readonly [url: unknown, why: string])[] = [
  ["", "it has no known scheme"],
  ["h:2379/ns", 'begins with "h:"'],
  ["./.etask", "it has no known scheme"],
  ["127.0.0.1:2379", "it has no known scheme"],
  [undefined, "it must be a text; got undefined"],
  [7, "it must be a text; got 7"],
  ["memory", "it has no known scheme"],
  ["memory:x", "memory: takes nothing after it"],
  ["embedded:", "embedded: needs a directory"],
  ["embedded:a\0b", "embedded: needs a directory"],
  ["http://h:2379", 'begins with "http:"'],
  ["redis://u:secret@h", 'begins with "redis:"'],
  ["ETCD://h", 'begins with "ETCD:"'],
  ["etcd:h:2379", "etcd: needs //HOST:PORT"],
  ["etcd://", "etcd: needs //HOST:PORT"],
  ["etcd:///ns", "etcd: needs //HOST:PORT"],
  ["etcd://h#x", "it must not hold #"],
  ["etcd://h:0", '"h:0" is not HOST:PORT'],
  ["etcd://h:65536", '"h:65536" is not HOST:PORT'],
  ["etcd://h:http", '"h:http" is not HOST:PORT'],
  ["etcd://h:", '"h:" is not HOST:PORT'],
  ["etcd://:2379", '":2379" is not HOST:PORT'],
  ["etcd://a,,b", '"" is not HOST:PORT'],
  ["etcd://a:1,", '"" is not HOST:PORT'],
  ["etcd://a, b", '" b" is not HOST:PORT'],
  ["etcd://::1:2379", '"::1:2379" is not HOST:PORT'],
  ["etcd://[::g]:2379", '"[::g]:2379" is not HOST:PORT'],
  ["etcd://[.]:2379", '"[.]:2379" is not HOST:PORT'],
  ["etcd://[:::]", '"[:::]" is not HOST:PORT'],
  ["etcd://[::1", '"[::1" is not HOST:PORT'],
  ["etcd://h/a//b", 'got "a//b"'],
  ["etcd://h//a", 'got "/a"'],
  ["etcd://h/a b", 'got "a b"'],
  ["etcd://h/ä", 'got "ä"'],
  ["etcd://h/a%20b", 'got "a%20b"'],
  [`etcd://h/${LONGEST}n`, "at most 128 characters"],
  ["etcd://u@h", "before the @ it needs USER:PASSWORD"],
  ["etcd://@h", "before the @ it needs USER:PASSWORD"],
  ["etcd://:secret@h", "before the @ it needs USER:PASSWORD"],
  ["etcd://u:secret%@h", "must be percent-encoded"],
  ["etcd://u:secret%E9@h", "must be percent-encoded"],
  ["etcd://u:sec@ret@h", "must be percent-encoded"],
  ["etcd://u:sec/ret@h", "must be percent-encoded"],
  ["etcd://u:sec/ret@h/ns", "must be percent-encoded"],
  ["etcd://u:sec?ret@h", "must be percent-encoded"],
  ["etcds://u:sec?ca=ret@h", "must be percent-encoded"],
  ["etcd://u:sec#ret@h", "must be percent-encoded"],
  ["etcd://h?quota=", 'the parameter "quota" is empty'],
  ["etcd://h?quota=8GB", "quota must be a number of bytes, or one of KiB, MiB or GiB"],
  ["etcd://h?quota=0", "quota must be"],
  ["etcd://h?quota=-1", "quota must be"],
  ["etcd://h?quota=99999999999999GiB", "quota must be"],
  ["etcd://h?ca=a", "parameters for TLS need the scheme etcds:"],
  ["etcds://h?cafile=a", 'unknown parameter "cafile"'],
  ["etcds://h?cert=a", "cert and key must be given together"],
  ["etcds://h?key=a", "cert and key must be given together"],
  ["etcds://h?ca=a&ca=b", 'the parameter "ca" is given twice'],
  ["etcds://h?ca=", 'the parameter "ca" is empty'],
];

function refusal(url: unknown): StoreUrlError {
  try {
    parseStoreUrl(url as string);
  } catch (error) {
    return error as StoreUrlError;
  }
  throw new Error(`${JSON.stringify(url)} was accepted.`);
}

describe("store url", () => {
  test.each(good)("%s is understood", (url, location) => {
    expect(parseStoreUrl(url)).toEqual(location);
  });

  test.each(bad)("%j is refused: %s", (url, why) => {
    const { code, message } = refusal(url);
    expect(code).toBe("STORE_URL");
    expect(message).toContain("The store URL is malformed: ");
    expect(message).toContain(why);
    expect(message).toContain("etcd://HOST:PORT[,HOST:PORT…][/NAMESPACE]");
    expect(message).not.toMatch(/sec|ret@/);
  });

  test("a very long part is shown shortened", () => {
    expect(refusal(`etcd://${"h".repeat(10_000)}:x`).message.length).toBeLessThan(600);
    expect(refusal(`etcd://h/${"n".repeat(10_000)}`).message.length).toBeLessThan(600);
    expect(refusal(`etcds://h?${"q".repeat(10_000)}=1`).message.length).toBeLessThan(600);
  });

  test.each([
    ["etcd://u:p@h/ns", "etcd://h/ns"],
    ["etcds://u:p@h/ns?ca=/a@b.pem", "etcds://h/ns?ca=/a@b.pem"],
    ["etcds://h/ns?ca=/a@b.pem", "etcds://h/ns?ca=/a@b.pem"],
    ["etcd://u:p/q@h", "etcd://h"],
    ["etcd://u:p@q@h", "etcd://h"],
    ["etcd://u:p?q@h", "etcd://h"],
    ["redis://u:p@h", "redis://h"],
    ["embedded:./a@b", "embedded:./a@b"],
    ["memory:", "memory:"],
  ])("%s is shown as %s", (url, shown) => {
    expect(redactStoreUrl(url)).toBe(shown);
  });
});
