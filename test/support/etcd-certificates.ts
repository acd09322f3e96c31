import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Paths of a certificate authority and of what it signed. */
export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  /** For a client whose common name is `root`. */
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes a certificate authority, and a server's and a client's certificate, in `folder`. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string) => join(folder, name);
  const request = async (name: string, subject: string, ...more: string[]) => {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const output = ["-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)];
    const args = [...curve, ...output, "-subj", `/CN=${subject}`, "-days", "2", ...more];
    await run("openssl", ["req", "-x509", ...args], { timeout: 30_000 });
  };
  const signed = ["-CA", file("ca.crt"), "-CAkey", file("ca.key")];
  const usage = (name: string) => ["-addext", `extendedKeyUsage=${name}`];
  const addresses = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  await request("ca", "etask test authority");
  await request("server", "localhost", ...signed, ...addresses, ...usage("serverAuth,clientAuth"));
  await request("client", "root", ...signed, ...usage("clientAuth"));
  return {
    ca: file("ca.crt"),
    serverCert: file("server.crt"),
    serverKey: file("server.key"),
    clientCert: file("client.crt"),
    clientKey: file("client.key"),
  };
}
