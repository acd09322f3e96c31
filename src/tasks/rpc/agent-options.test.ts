import { expect, test } from "vitest";
import { InvalidOptionsError } from "../../base/errors.ts";
import { type AgentOptions, addressText, resolveAgentOptions } from "./agent-options.ts";

const GIVEN: AgentOptions = { store: "memory:", name: "node-1", methods: { ping: () => 1 } };

test("agent options: defaults", () => {
  expect(resolveAgentOptions(GIVEN)).toMatchObject({
    listen: { host: "127.0.0.1", port: 0 },
    advertise: { host: "127.0.0.1", port: undefined },
    labels: {},
    leaseTtlMs: 5_000,
    callsMax: 1_000,
    drainMs: 30_000,
    tls: undefined,
  });
});

test.each([
  [{ address: "[::1]:70" }, { host: "::1", port: undefined }, "[::1]:70"],
  [{ advertise: "node-1.lan" }, { host: "node-1.lan", port: undefined }, "127.0.0.1:0"],
  [{ advertise: "node-1.lan:9" }, { host: "node-1.lan", port: 9 }, "127.0.0.1:0"],
  [{ advertise: "[fe80::1]" }, { host: "fe80::1", port: undefined }, "127.0.0.1:0"],
  [{ address: "0.0.0.0:5", advertise: "a", insecure: true }, { host: "a" }, "0.0.0.0:5"],
])("agent options: %o is called at %o", (options, advertise, listen) => {
  const resolved = resolveAgentOptions({ ...GIVEN, ...options });
  expect(resolved.advertise).toMatchObject(advertise);
  expect(addressText(resolved.listen)).toBe(listen);
});

test.each<[object, RegExp]>([
  [{ name: "a/b" }, /the agent's name must have 1 to 100/],
  [{ store: 7 }, /store must be a store URL or an open store/],
  [{ methods: {} }, /methods must have 1 to 1000; got 0/],
  [{ methods: undefined }, /methods must be an object/],
  [{ methods: { a: 1 } }, /methods\.a must be a function; got 1/],
  [{ methods: { "a b": () => 1 } }, /a method's name must have/],
  [{ labels: ["a"] }, /labels must be an object such as/],
  [{ labels: { zone: "" } }, /labels\.zone must be a text/],
  [{ address: "localhost" }, /address must be host:port/],
  [{ address: "a:99999" }, /address must be host:port/],
  [{ address: "0.0.0.0:1" }, /advertise must say at which host/],
  [{ address: "10.0.0.7:1" }, /An agent on 10\.0\.0\.7 can be called from other hosts/],
  [{ advertise: "http://a" }, /advertise must be host:port/],
  [{ tls: { cert: "x" } }, /tls of an agent needs cert and key/],
  [{ leaseTtl: 10 }, /leaseTtl must be a duration between 1000 ms/],
  [{ callsMax: 0 }, /callsMax must be a whole number from 1/],
  [{ drain: "1d" }, /drain must be a duration/],
  [{ port: 1 }, /serveAgent has no option "port"/],
])("agent options: %o is refused", (options, message) => {
  const resolve = () => resolveAgentOptions({ ...GIVEN, ...options });
  expect(resolve).toThrow(InvalidOptionsError);
  expect(resolve).toThrow(message);
});
