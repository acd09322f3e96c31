import { expect, test } from "vitest";
import { httpTask } from "../../src/tasks/http/index.ts";
import { failureOf, run } from "./support/attempt.ts";
import { HttpServer, json } from "./support/http-server.ts";

/** A server that sends everybody on from `/` to `target()`. */
const openRedirecting = (status: number, target: () => string) =>
  HttpServer.open(({ path, method, body }, response) => {
    if (path === "/") response.writeHead(status, { location: target() }).end("moved");
    else json(response, { path, method, body });
  });

test.each([
  [301, "POST", "GET", ""],
  [302, "PUT", "PUT", "1"],
  [303, "PUT", "GET", ""],
  [307, "POST", "POST", "1"],
  [308, "PATCH", "PATCH", "1"],
] as const)("redirect: %i turns %s into %s", async (status, method, second, body) => {
  await using server = await openRedirecting(status, () => "/next?a=1");
  const task = httpTask({ name: "go", url: server.url(), method, headers: { "x-key": "k" } });
  expect(await run(task, 1)).toEqual({ path: "/next?a=1", method: second, body });
  expect(server.arrived[1]?.headers).toMatchObject({ "x-key": "k", "idempotency-key": "task-1" });
});

test("redirect: a fixed URL may be private, another private origin may not follow from it", async () => {
  await using inner = await HttpServer.open((_request, response) => json(response, "inside"));
  await using server = await openRedirecting(302, () => inner.url("/admin"));
  const error = await failureOf(run(httpTask({ name: "go", url: server.url() })));
  expect(error).toMatchObject({ code: "HTTP_REFUSED_ADDRESS", final: true });
  expect(error.message).toContain('allowPrivate: ["127.0.0.1"]');
  expect(inner.connections).toBe(0);

  const allowed = httpTask({ name: "go", url: server.url(), allowPrivate: ["127.0.0.1"] });
  expect(await run(allowed)).toBe("inside");
});

test("redirect: another origin gets neither the definition's headers nor the signature", async () => {
  await using other = await HttpServer.open((_request, response) => json(response, null));
  await using server = await openRedirecting(307, () => other.url());
  const task = httpTask({
    name: "go",
    url: server.url(),
    headers: { authorization: "Bearer secret", "x-key": "k" },
    sign: { secret: "s" },
    allowPrivate: true,
  });
  await run(task, { a: 1 });
  expect(server.arrived[0]?.headers).toHaveProperty("etask-signature");
  const headers = other.arrived[0]?.headers;
  for (const name of ["authorization", "x-key", "etask-signature"]) {
    expect(headers).not.toHaveProperty(name);
  }
  expect(headers).toMatchObject({ "idempotency-key": "task-1" });
  expect(other.arrived[0]?.body).toBe('{"a":1}');
});

test.each([
  ["an IP address", "127.0.0.1"],
  ["a number that is one", "2130706433"],
  ["a name that resolves to one", "localhost"],
  ["IPv6", "[::1]"],
  ["IPv4 within IPv6", "[::ffff:127.0.0.1]"],
])("address: %s that is private is refused when the URL is computed", async (_what, host) => {
  await using server = await HttpServer.open((_request, response) => json(response, null));
  const task = httpTask({ name: "go", url: () => server.url("/", host) });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "HTTP_REFUSED_ADDRESS", final: true });
  expect(server.connections).toBe(0);
});

test.each([
  ["all", true],
  ["the host", ["localhost"]],
  ["the networks", ["127.0.0.0/8", "::1"]],
])("address: a computed URL is called when allowPrivate names %s", async (_what, allowPrivate) => {
  await using server = await HttpServer.open((_request, response) => json(response, "there"));
  const task = httpTask({ name: "go", url: () => server.url("/", "localhost"), allowPrivate });
  expect(await run(task)).toBe("there");
});

test("redirect: one that leads to itself ends at the bound", async () => {
  await using server = await openRedirecting(302, () => "/");
  const task = httpTask({ name: "go", url: server.url(), redirects: 3 });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "HTTP_BAD_RESPONSE", final: true });
  expect(server.arrived).toHaveLength(4);
});

test.each(["ftp://127.0.0.1/", "javascript:alert(1)", "http://[", `/${"a".repeat(9_000)}`])(
  "redirect: %.30s is a bad response",
  async (location) => {
    await using server = await openRedirecting(302, () => location);
    const error = await failureOf(run(httpTask({ name: "go", url: server.url() })));
    expect(error).toMatchObject({ code: "HTTP_BAD_RESPONSE", final: true });
  },
);

test("redirect: a status of redirection without a place to go is an error status", async () => {
  await using server = await HttpServer.open((_request, response) => response.writeHead(304).end());
  const error = await failureOf(run(httpTask({ name: "go", url: server.url() })));
  expect(error).toMatchObject({ code: "HTTP_STATUS", status: 304, final: true });
});
