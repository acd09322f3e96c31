import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { httpTask } from "../../src/tasks/http/index.ts";
import { createAttempt, failureOf, run } from "./support/attempt.ts";
import { type Arrived, HttpServer, json } from "./support/http-server.ts";

const accepted = (response: ServerResponse, body: unknown = null, headers = {}) =>
  json(response, body, 202, headers);

/** Accepts every POST, and answers the questions after it in turn; the last answer stays. */
function openAccepting(
  ...turns: ((response: ServerResponse, request: Arrived) => void)[]
): Promise<HttpServer> {
  let asked = 0;
  return HttpServer.open((request, response) => {
    if (request.method === "POST") accepted(response, null, { location: "/jobs/1" });
    else turns[Math.min(asked++, turns.length - 1)]?.(response, request);
  });
}

const POLL = { every: "50ms", max: "10s" } as const;

test("poll: a 202 with a Location is asked until the work has ended, with its progress", async () => {
  await using server = await openAccepting(
    (response) => accepted(response, { progress: 30, detail: { step: "copy" } }),
    (response) => accepted(response, { progress: "much" }, { location: "/jobs/1/rest" }),
    (response) => json(response, { done: true }),
  );
  const attempt = createAttempt();
  const task = httpTask({
    name: "long",
    url: server.url("/jobs"),
    headers: { authorization: "Bearer t" },
    poll: POLL,
  });
  expect(await run(task, { a: 1 }, attempt)).toEqual({ done: true });
  expect(attempt.reports).toEqual([[30, { step: "copy" }]]);
  expect(server.arrived.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /jobs",
    "GET /jobs/1",
    "GET /jobs/1",
    "GET /jobs/1/rest",
  ]);
  for (const { headers } of server.arrived) {
    expect(headers).toMatchObject({ authorization: "Bearer t", "idempotency-key": "task-1" });
  }
  expect(server.arrived[1]?.body).toBe("");
});

test("poll: what ends the work with an error status fails the attempt with it", async () => {
  await using server = await openAccepting((response) => json(response, { why: "no disk" }, 422));
  const error = await failureOf(run(httpTask({ name: "long", url: server.url(), poll: POLL })));
  expect(error).toMatchObject({ code: "HTTP_STATUS", status: 422, final: true });
});

test("poll: questions without an answer are survived, a few in a row", async () => {
  const reset = (response: ServerResponse) => {
    response.destroy();
  };
  const busy = (response: ServerResponse) => json(response, null, 503);
  const still = (response: ServerResponse) => accepted(response);
  await using server = await openAccepting(
    ...[reset, busy, reset, busy, reset, still, reset, busy],
    (response) => json(response, "done"),
  );
  expect(await run(httpTask({ name: "long", url: server.url(), poll: POLL }))).toBe("done");

  await using gone = await openAccepting(reset);
  const task = httpTask({ name: "long", url: gone.url(), poll: POLL });
  await expect(run(task)).rejects.toMatchObject({ code: "HTTP_UNREACHABLE" });
  expect(gone.arrived).toHaveLength(1 + 6);
});

test("poll: after max it is given up and may be tried again", async () => {
  await using server = await openAccepting((response) => accepted(response));
  const poll = { every: "50ms", max: "200ms" };
  const error = await failureOf(run(httpTask({ name: "long", url: server.url(), poll })));
  expect(error).toMatchObject({ code: "HTTP_STATUS", status: 202, final: false });
});

test("poll: the server's Retry-After is the pause", async () => {
  await using server = await HttpServer.open(({ method }, response) => {
    if (method === "GET") json(response, "done");
    else accepted(response, null, { location: "/jobs/1", "retry-after": "0" });
  });
  const poll = { every: "1h", max: "2h" };
  expect(await run(httpTask({ name: "long", url: server.url(), poll }))).toBe("done");
});

test("poll: a Location elsewhere is refused like a redirect", async () => {
  await using inner = await HttpServer.open((_request, response) => json(response, "inside"));
  await using server = await HttpServer.open((_request, response) => {
    accepted(response, null, { location: inner.url() });
  });
  const error = await failureOf(run(httpTask({ name: "long", url: server.url(), poll: POLL })));
  expect(error).toMatchObject({ code: "HTTP_REFUSED_ADDRESS", final: true });
  expect(inner.connections).toBe(0);
});

test("poll: a 202 is the answer when it names no Location, or with poll: false", async () => {
  await using server = await HttpServer.open(({ path }, response) => {
    accepted(response, { queued: true }, path === "/" ? {} : { location: "/jobs/1" });
  });
  expect(await run(httpTask({ name: "fire", url: server.url() }))).toEqual({ queued: true });
  const task = httpTask({ name: "fire", url: server.url("/far"), poll: false });
  expect(await run(task)).toEqual({ queued: true });
});

test("poll: after a redirect to another origin its Location gets no private headers either", async () => {
  await using other = await HttpServer.open(({ path }, response) => {
    if (path === "/jobs") accepted(response, null, { location: "/jobs/1" });
    else json(response, "done");
  });
  await using server = await HttpServer.open((_request, response) => {
    response.writeHead(307, { location: other.url("/jobs") }).end();
  });
  const task = httpTask({
    name: "long",
    url: server.url(),
    headers: { authorization: "Bearer secret" },
    allowPrivate: true,
    poll: POLL,
  });
  expect(await run(task)).toBe("done");
  expect(other.arrived).toHaveLength(2);
  for (const { headers } of other.arrived) expect(headers).not.toHaveProperty("authorization");
});

test("poll: the signal ends the pause", async () => {
  const attempt = createAttempt();
  await using server = await openAccepting((response) => {
    accepted(response, { progress: 1 }, { "retry-after": "300" });
  });
  const context = {
    ...attempt.context,
    progress: () => attempt.abort("shutdown"),
  };
  const running = run(httpTask({ name: "long", url: server.url(), poll: POLL }), 1, {
    ...attempt,
    context,
  });
  await expect(running).rejects.toMatchObject({ code: "ATTEMPT_ABORTED", reason: "shutdown" });
});
