import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { z } from "zod";
import { createDeferred } from "../../src/base/deferred.ts";
import { httpTask, verifySignature } from "../../src/tasks/http/index.ts";
import { createAttempt, failureOf, run } from "./support/attempt.ts";
import { HttpServer, json } from "./support/http-server.ts";

test("http: the input is sent as JSON, the answer is the result", async () => {
  await using server = await HttpServer.open(({ body }, response) => {
    json(response, { total: JSON.parse(body).price * 2 });
  });
  const task = httpTask({
    name: "price",
    url: server.url("/price?currency=eur"),
    input: z.object({ price: z.number() }),
    output: z.object({ total: z.number() }),
  });
  const { context } = createAttempt({
    attempt: 3,
    fence: 41,
    headers: { traceparent: "00-aa-bb-01", tracestate: "x=1", other: "not sent" },
  });
  expect(await task.run({ price: 21 }, context)).toEqual({ total: 42 });
  const [request] = server.arrived;
  expect(request).toMatchObject({ method: "POST", path: "/price?currency=eur" });
  expect(request?.headers).toMatchObject({
    "content-type": "application/json",
    "idempotency-key": "task-1",
    "etask-attempt": "3",
    "etask-fence": "41",
    traceparent: "00-aa-bb-01",
    tracestate: "x=1",
  });
  expect(request?.headers).not.toHaveProperty("other");
});

test.each([
  ["text/plain", "päper", "päper"],
  ["text/plain; charset=iso-8859-1", Buffer.from("päper", "latin1"), "päper"],
  ["application/problem+json", '{"a":1}', { a: 1 }],
  ["application/xml", "<a/>", "<a/>"],
  ["application/json", "", undefined],
])("http: an answer of type %s is read as what it is", async (type, body, result) => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(200, { "content-type": type }).end(body);
  });
  expect(await run(httpTask({ name: "read", method: "GET", url: server.url() }))).toEqual(result);
  expect(server.arrived[0]?.body).toBe("");
});

test.each([
  ["JSON that is none", "application/json", "{", {}, /is not/],
  ["a member __proto__", "application/json", '{"__proto__":{}}', {}, /is not/],
  ["bytes", "image/png", "x", {}, /neither JSON nor text/],
  ["an encoding that nobody asked for", "text/plain", "x", { "content-encoding": "gzip" }, /gzip/],
])("http: %s is a bad response, for good", async (_what, type, body, headers, says) => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(200, { "content-type": type, ...headers }).end(body);
  });
  const task = httpTask({ name: "read", url: server.url() });
  await expect(run(task)).rejects.toMatchObject({
    code: "HTTP_BAD_RESPONSE",
    final: true,
    message: expect.stringMatching(says),
  });
});

test("http: an answer that does not fit output is a bad response and names the member", async () => {
  await using server = await HttpServer.open((_request, response) => json(response, { id: 7 }));
  const task = httpTask({ name: "read", url: server.url(), output: z.object({ id: z.string() }) });
  await expect(run(task)).rejects.toMatchObject({
    code: "HTTP_BAD_RESPONSE",
    final: true,
    message: expect.stringContaining("id: "),
  });
});

test.each([
  [400, true],
  [401, true],
  [404, true],
  [408, false],
  [409, true],
  [425, false],
  [429, false],
  [500, false],
  [503, false],
])("http: after status %i further attempts are ruled out: %s", async (status, final) => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(status).end("because");
  });
  const task = httpTask({ name: "read", url: server.url("/x?token=hidden") });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "HTTP_STATUS", status, final, body: "because" });
  expect(error.message).toMatch(/^POST http:.*\/x answered \d+ [A-Z].*: because$/);
  expect(error.message).not.toContain("hidden");
});

test.each([
  ["7", 7_000],
  ["99999999", 86_400_000],
  ["soon", undefined],
])("http: Retry-After %s becomes a pause of %s ms", async (header, retryAfterMs) => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(429, { "retry-after": header }).end();
  });
  const error = await failureOf(run(httpTask({ name: "read", url: server.url() })));
  expect(error.retryAfterMs).toBe(retryAfterMs);
});

test("http: a large error page is read for its beginning only", async () => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(500);
    const more = () => response.write("x".repeat(65_536), (error) => !error && more());
    more();
  });
  const error = await failureOf(run(httpTask({ name: "read", url: server.url() })));
  expect(error.code).toBe("HTTP_STATUS");
  expect(error.body).toBe("x".repeat(1_000));
});

test("http: a body without an end is given up at the bound, and the connection with it", async () => {
  const gone = createDeferred<number>();
  await using server = await HttpServer.open((_request, response) => {
    let written = 0;
    response.writeHead(200, { "content-type": "text/plain" });
    const more = () => {
      written += 1_024;
      response.write("x".repeat(1_024), (error) => !error && more());
    };
    response.on("close", () => gone.resolve(written));
    more();
  });
  const task = httpTask({ name: "read", url: server.url(), responseBytesMax: 10_000 });
  await expect(run(task)).rejects.toMatchObject({ code: "HTTP_BODY_TOO_LARGE", final: true });
  expect(await gone.promise).toBeLessThan(16_777_216);
});

test("http: a body that is announced as too large is not read", async () => {
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(200, { "content-length": "10001" }).flushHeaders();
  });
  const task = httpTask({ name: "read", url: server.url(), responseBytesMax: 10_000 });
  await expect(run(task)).rejects.toMatchObject({ code: "HTTP_BODY_TOO_LARGE" });
});

test.each([
  ["before the answer", (_: unknown, response: { destroy(): void }) => response.destroy()],
  [
    "within the body",
    (_: unknown, response: ServerResponse) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    },
  ],
])("http: a connection that is reset %s is unreachable, worth a retry", async (_when, answer) => {
  await using server = await HttpServer.open(answer);
  const error = await failureOf(run(httpTask({ name: "read", url: server.url() })));
  expect(error).toMatchObject({ code: "HTTP_UNREACHABLE" });
  expect(error).not.toHaveProperty("final");
});

test("http: nobody listening, and a name that does not exist, are unreachable", async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  for (const url of [`http://127.0.0.1:${port}/`, "http://nobody.invalid/"]) {
    const task = httpTask({ name: "read", url });
    await expect(run(task)).rejects.toMatchObject({ code: "HTTP_UNREACHABLE" });
  }
});

test("http: something that is not HTTP is a bad response", async () => {
  const probe = createServer((socket) => {
    socket.once("data", () => socket.end("220 mail.example ESMTP\r\n"));
  });
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  const task = httpTask({ name: "read", url: `http://127.0.0.1:${port}/` });
  await expect(run(task)).rejects.toMatchObject({ code: "HTTP_BAD_RESPONSE" });
  probe.close();
});

test.each([
  ["the answer", () => {}],
  ["more of it", (response: ServerResponse) => response.write("a")],
])("http: silence before %s ends the attempt after responseTimeout", async (_what, begin) => {
  await using server = await HttpServer.open((_request, response) => {
    begin(response);
  });
  const task = httpTask({ name: "read", url: server.url(), responseTimeout: "200ms" });
  await expect(run(task)).rejects.toMatchObject({
    code: "HTTP_UNREACHABLE",
    message: expect.stringContaining("silent for 200 ms"),
  });
});

test("http: the signal aborts the request, and its reason is what is thrown", async () => {
  const there = createDeferred<void>();
  const gone = createDeferred<void>();
  await using server = await HttpServer.open((_request, response) => {
    response.on("close", gone.resolve);
    there.resolve();
  });
  const { context, abort } = createAttempt();
  const running = httpTask({ name: "read", url: server.url() }).run(undefined, context);
  await there.promise;
  abort("timeout");
  await expect(running).rejects.toMatchObject({ code: "ATTEMPT_ABORTED", reason: "timeout" });
  await gone.promise;
});

test("http: a receiver can check the signature over exactly what it got", async () => {
  await using server = await HttpServer.open((_request, response) => json(response, "ok"));
  const task = httpTask({
    name: "hook",
    url: server.url(),
    body: () => ({ text: "ünïcode" }),
    sign: { secret: async () => "s3cret", header: "X-Signature" },
  });
  expect(await run(task)).toBe("ok");
  const [request] = server.arrived;
  const body = request?.body ?? "";
  const signature = String(request?.headers["x-signature"]);
  expect(verifySignature("s3cret", signature, body)).toBe(true);
  expect(verifySignature(["new", "s3cret"], signature, Buffer.from(body))).toBe(true);
  expect(verifySignature("other", signature, body)).toBe(false);
  expect(verifySignature("s3cret", signature, `${body} `)).toBe(false);
  const clock = { now: () => Date.now() + 301_000 };
  expect(verifySignature("s3cret", signature, body, { clock })).toBe(false);
});

test.each([
  ["text", () => "a=1", "a=1", "text/plain; charset=utf-8"],
  ["bytes", () => Buffer.from([65]), "A", "application/octet-stream"],
  ["nothing", () => undefined, "", undefined],
  ["JSON", () => ["a"], '["a"]', "application/json"],
])("http: a body that is %s is sent as that", async (_what, body, sent, type) => {
  await using server = await HttpServer.open((_request, response) => json(response, null));
  await run(httpTask({ name: "send", url: server.url(), body }), { ignored: true });
  expect(server.arrived[0]?.body).toBe(sent);
  expect(server.arrived[0]?.headers["content-type"]).toBe(type);
});

test("http: URL, headers and method follow from the input", async () => {
  await using server = await HttpServer.open((_request, response) => json(response, null));
  const task = httpTask({
    name: "send",
    method: "DELETE",
    url: ({ id }: { id: string }) => new URL(`/users/${id}`, server.url()),
    allowPrivate: ["127.0.0.0/8"],
    headers: async ({ id }) => ({ Authorization: `Bearer ${id}`, "Content-Type": "text/x" }),
  });
  await run(task, { id: "u1" });
  expect(server.arrived[0]).toMatchObject({ method: "DELETE", path: "/users/u1", body: "" });
  expect(server.arrived[0]?.headers).toMatchObject({ authorization: "Bearer u1" });
  expect(server.arrived[0]?.headers).not.toHaveProperty("content-type");
});

test.each([
  ["a protocol that is not http", { url: () => "file:///etc/passwd" }, /http or https/],
  ["no URL", { url: () => "nowhere" }, /http or https/],
  ["a password in the URL", { url: () => "http://me:secret@localhost/" }, /no user and password/],
  ["a header with a line break", { headers: () => ({ a: "secret\r\nb: 1" }) }, /headers\.a/],
  [
    "a header of the connection",
    { headers: () => ({ Host: "secret" }) },
    /headers must not set Host/,
  ],
  ["a secret that is none", { sign: { secret: () => "" } }, /sign\.secret/],
])("http: %s, computed, fails for good and shows no secret", async (_what, options, says) => {
  const task = httpTask({ name: "send", url: "http://127.0.0.1:9/", ...options });
  const error = await failureOf(run(task));
  expect(error).toMatchObject({ code: "FINAL_ERROR", final: true });
  expect(error.message).toMatch(says);
  expect(error.message).not.toContain("secret@");
  expect(error.message).not.toContain("secret\r");
});
