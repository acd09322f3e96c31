import { expect, test } from "vitest";
import { httpTask } from "./http-task.ts";

test.each([
  ["no URL", { url: undefined }, /url must be a text/],
  ["a path for a URL", { url: "/orders" }, /http or https URL; got "\/orders"/],
  ["another protocol", { url: "ftp://host/" }, /got the protocol "ftp:"/],
  ["a password in the URL", { url: "https://me:s3cret@host/" }, /no user and password/],
  ["an unknown method", { method: "TRACE" }, /method must be one of GET/],
  ["headers that are none", { headers: [] }, /headers must be an object/],
  ["a header's name", { headers: { "a b": "s3cret" } }, /headers\.a b/],
  ["a header's value", { headers: { a: "s3cret\n" } }, /headers\.a/],
  ["a reserved header", { headers: { "Content-Length": "1" } }, /must not set Content-Length/],
  [
    "too many headers",
    { headers: Object.fromEntries([...Array(65)].map((_, i) => [i, ""])) },
    /65/,
  ],
  ["a body that is no function", { body: "text" }, /body must be a function/],
  ["allowPrivate", { allowPrivate: "10.0.0.0/8" }, /allowPrivate must be true, false or a list/],
  ["redirects", { redirects: 21 }, /redirects must be .* from 0 to 20/],
  ["responseBytesMax", { responseBytesMax: 0 }, /responseBytesMax must be/],
  ["responseTimeout", { responseTimeout: "never" }, /responseTimeout must be a duration/],
  ["an empty secret", { sign: { secret: "" } }, /sign\.secret must be/],
  ["a bad signature header", { sign: { secret: "s3cret", header: "a b" } }, /headers\.a b/],
  ["an unknown option of sign", { sign: { key: "s3cret" } }, /sign has no option "key"/],
  ["poll.every", { poll: { every: "1ms" } }, /poll\.every/],
  ["an output that is no schema", { output: {} }, /output must be a Standard Schema/],
  ["an unknown option", { uri: "http://host/" }, /httpTask has no option "uri"/],
  ["an option of every task", { priority: 11 }, /priority/],
])("http options: %s is refused when the task is defined", (_what, options, says) => {
  const define = () => httpTask({ name: "bad", url: "http://host/", ...options } as never);
  expect(define).toThrow(expect.objectContaining({ code: "INVALID_OPTIONS" }));
  expect(define).toThrow(says);
  expect(define).not.toThrow(/s3cret/);
});
