import { lookup } from "node:dns/promises";
import { expect, test } from "vitest";
import { createAddressGuard, guardedLookup, isPublicAddress } from "./address-guard.ts";

const PUBLIC = [
  ...["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"],
  ...["172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255"],
  ...["2606:4700::1111", "2a00::1", "2001:4860:4860::8888", "2001:200::1"],
  ...["::ffff:1.1.1.1", "::ffff:808:808", "64:ff9b::8.8.8.8", "2002:808:808::1"],
];
const PRIVATE = [
  ...["0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.255"],
  ...["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1"],
  ...["192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"],
  ...["239.255.255.255", "240.0.0.1", "255.255.255.255"],
  ...["::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1"],
  ...["fec0::1", "2001:db8::1", "2001::1", "2001:1ff::1", "3fff::1", "100::1", "4000::1"],
  ...["::ffff:127.0.0.1", "::ffff:a00:1", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1"],
  ...["64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1"],
];

test.each(PUBLIC)("address: %s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each(PRIVATE)("address: %s is not public", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test("address: the guard admits public addresses and what the list names, nothing else", () => {
  const guard = createAddressGuard(["10.1.0.0/16", "192.168.7.7", "fd00::/8", "intranet"]);
  for (const address of ["1.1.1.1", "10.1.255.255", "192.168.7.7", "fd12::1", "::ffff:10.1.0.1"]) {
    expect(guard.admits(address), address).toBe(true);
  }
  for (const address of ["10.2.0.0", "192.168.7.8", "fe80::1", "::ffff:10.2.0.1", "::1"]) {
    expect(guard.admits(address), address).toBe(false);
  }
});

test("address: the guard trusts the hosts of the list, and those below a star", () => {
  const guard = createAddressGuard(["Intranet", "*.svc.local"]);
  for (const host of ["intranet", "a.svc.local", "a.b.svc.local"]) {
    expect(guard.trusts(host), host).toBe(true);
  }
  for (const host of ["svc.local", "evilsvc.local", "intranet.example", "a.svc.local.example"]) {
    expect(guard.trusts(host), host).toBe(false);
  }
});

test.each(["", "10.0.0.0/33", "::/129", "http://host", "host:80", "a b", "*", "-a", 7, null])(
  "address: a list that names %s is refused",
  (entry) => {
    const create = () => createAddressGuard([entry as string]);
    expect(create).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  },
);

const look = (guard: ReturnType<typeof createAddressGuard>, options: { all?: boolean }) =>
  new Promise((resolve, reject) => {
    guardedLookup(guard)("localhost", options, (error, address) => {
      if (error) reject(error);
      else resolve(address);
    });
  });

test("address: names answer with what is admitted only, and fail without any", async () => {
  await expect(look(createAddressGuard([]), { all: true })).rejects.toMatchObject({
    code: "HTTP_REFUSED_ADDRESS",
    message: expect.stringContaining('allowPrivate: ["localhost"]'),
  });
  const { address } = await lookup("localhost", 4);
  const ipv4 = createAddressGuard([address]);
  expect(await look(ipv4, { all: true })).toEqual([{ address, family: 4 }]);
  expect(await look(ipv4, {})).toBe(address);
  expect(await look(createAddressGuard(["localhost"]), { all: true })).toContainEqual({
    address,
    family: 4,
  });
});
