import { expect, test, vi } from "vitest";
import { jsonLines, makePlace, PROCESSES_MS } from "./command.ts";

vi.setConfig({ testTimeout: PROCESSES_MS });

test("queues pause, get and resume: say who did it and from when on it holds", async () => {
  await using place = await makePlace();
  const pause = ["queues", "pause", "mail", "--reason", "relay is down", "--by", "anna"];
  const { code, stdout } = await place.etask(...pause);
  expect({ code, stdout: stdout.replace(/\d+/, "7") }).toEqual({
    code: 0,
    stdout: "mail is paused from revision 7 on",
  });
  const again = await place.etask("queues", "pause", "mail");
  expect(again.stdout).toBe("mail is paused already, nothing was changed");
  const get = await place.etask("queues", "get", "mail");
  expect(get.stdout).toMatch(/\ntaking {7}paused since .*Z by anna: relay is down$/);
  const list = await place.etask("queues", "list");
  expect(list.stdout).toMatch(/^QUEUE .*TAKING\nmail .* paused$/);
  const resume = await place.etask("queues", "resume", "mail", "--json");
  expect(jsonLines(resume.stdout)).toMatchObject([{ queue: "mail", changed: true }]);
  expect((await place.etask("queues", "list")).stderr).toMatch(/^No queues/);
});

test("queues set: lays settings over what is there, none takes one back", async () => {
  await using place = await makePlace();
  const retry = ["--retry-attempts", "5", "--retry-delay", "10s", "--retry-backoff", "linear"];
  const rest = ["--timeout", "30s", "--retention-failed", "2d", "--order", "strict"];
  const limits = ["--concurrency", "2", "--keep-count", "100", "--keep-bytes", "4096"];
  const first = await place.etask("queues", "set", "q", ...retry, ...rest, ...limits);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const back = ["--retry-attempts", "none", "--order", "none", "--keep-bytes", "none"];
  await place.etask("queues", "set", "q", ...back);
  const [view] = jsonLines((await place.etask("queues", "get", "q", "--json")).stdout);
  expect(view?.settings).toEqual({
    timeout: { softMs: 30_000, hardMs: 40_000 },
    retention: { succeededMs: 3_600_000, failedMs: 172_800_000 },
    concurrency: 2,
    keep: { count: 100 },
  });
  for (const wrong of [[], ["--concurrency", "0"], ["--retry-delay", "1s"], ["--order", "x"]]) {
    expect((await place.etask("queues", "set", "q", ...wrong)).code).toBe(2);
  }
});

test("queues drain and purge: a purge needs the name once more", async () => {
  await using place = await makePlace();
  await place.within(async (app) => {
    for (const n of [1, 2, 3]) await app.enqueue("x", n, { queue: "mail" });
    await app.enqueue("x", 4, { queue: "mail", in: "1h" });
  });
  const drain = await place.etask("queues", "drain", "mail", "--timeout", "5s");
  expect(drain).toMatchObject({ code: 0, stdout: "mail is paused, and nothing of it runs" });
  const none = await place.etask("queues", "purge", "mail");
  expect(none.code).toBe(2);
  expect(none.stderr).toMatch(/add --confirm mail/);
  const wrong = await place.etask("queues", "purge", "mail", "--confirm", "mial");
  expect(wrong.code).toBe(2);
  const purge = await place.etask("queues", "purge", "mail", "--confirm", "mail");
  expect(purge.stdout).toBe("3 tasks removed from mail");
  const rest = ["--confirm", "mail", "--include-scheduled", "--json"];
  const all = await place.etask("queues", "purge", "mail", ...rest);
  expect(jsonLines(all.stdout)).toEqual([{ queue: "mail", removed: 1 }]);
});
