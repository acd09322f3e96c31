import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { httpTask } from "../../src/tasks/http/index.ts";
import { failureOf, run } from "./support/attempt.ts";
import { HttpServer, json } from "./support/http-server.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A proxy that answers plain requests itself, and notes what it was asked for. */
async function openProxy(): Promise<
  AsyncDisposable & { readonly asked: string[]; readonly url: string; readonly server: Server }
> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    json(response, "by the proxy");
  });
  server.on("connect", (request, socket) => {
    asked.push(`${request.method} ${request.url}`);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    server,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("proxy: HTTP_PROXY is asked, also for names that only it can resolve", async () => {
  await using proxy = await openProxy();
  vi.stubEnv("HTTP_PROXY", proxy.url);
  vi.stubEnv("NO_PROXY", "");
  const url = "http://api.invalid/orders";
  expect(await run(httpTask({ name: "fixed", url }), 1)).toBe("by the proxy");
  expect(await run(httpTask({ name: "computed", url: () => url }), 1)).toBe("by the proxy");
  expect(proxy.asked).toEqual([`POST ${url}`, `POST ${url}`]);
});

test("proxy: https goes through a tunnel, and a refusal of the proxy is unreachable", async () => {
  await using proxy = await openProxy();
  vi.stubEnv("HTTPS_PROXY", proxy.url);
  vi.stubEnv("NO_PROXY", "");
  const error = await failureOf(run(httpTask({ name: "fixed", url: "https://api.invalid/" })));
  expect(error.code).toBe("HTTP_UNREACHABLE");
  expect(proxy.asked).toEqual(["CONNECT api.invalid:443"]);
});

test("proxy: what NO_PROXY names is asked directly, and guarded", async () => {
  await using proxy = await openProxy();
  await using server = await HttpServer.open((_request, response) => json(response, "directly"));
  vi.stubEnv("HTTP_PROXY", proxy.url);
  vi.stubEnv("NO_PROXY", "localhost,127.0.0.1");
  expect(await run(httpTask({ name: "fixed", url: server.url() }))).toBe("directly");
  const computed = httpTask({ name: "computed", url: () => server.url("/", "localhost") });
  await expect(run(computed)).rejects.toMatchObject({ code: "HTTP_REFUSED_ADDRESS" });
  expect(proxy.asked).toEqual([]);
});

test("proxy: a private address in a computed URL is refused before the proxy is asked", async () => {
  await using proxy = await openProxy();
  vi.stubEnv("HTTP_PROXY", proxy.url);
  vi.stubEnv("NO_PROXY", "");
  const computed = httpTask({ name: "computed", url: () => "http://169.254.169.254/latest" });
  await expect(run(computed)).rejects.toMatchObject({ code: "HTTP_REFUSED_ADDRESS" });
  expect(proxy.asked).toEqual([]);
});

test("proxy: one that wants a password is unreachable", async () => {
  await using proxy = await openProxy();
  proxy.server.removeAllListeners("request");
  proxy.server.on("request", (_request, response) => response.writeHead(407).end());
  vi.stubEnv("HTTP_PROXY", proxy.url);
  vi.stubEnv("NO_PROXY", "");
  const error = await failureOf(run(httpTask({ name: "fixed", url: "http://api.invalid/" })));
  expect(error.message).toContain("407");
});

test("proxy: without one in the environment the target itself is asked", async () => {
  for (const name of ["HTTP_PROXY", "http_proxy"]) vi.stubEnv(name, "");
  await using server = await HttpServer.open((_request, response) => json(response, "directly"));
  expect(await run(httpTask({ name: "fixed", url: server.url() }))).toBe("directly");
});
