import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { request } from 'undici';
import { createDispatcher } from './trust.ts';

let authority: CertificateAuthority;
let server: Server;
let url: string;

beforeEach(async () => {
  authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  const cert = await authority.issueGateway(await createCertificateRequest(key), ['127.0.0.1']);
  server = createServer({ key, cert }, (_request, response) => response.setHeader('connection', 'close').end('here'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

test('a manager under the CA that was given is believed, one under another CA is not', async () => {
  const other = await CertificateAuthority.open(await CertificateAuthority.create());
  for (const [{ certificatePem }, believed] of [
    [authority, true],
    [other, false],
  ] as const) {
    const dispatcher = createDispatcher(certificatePem);
    try {
      const asked = request(url, { dispatcher }).then(({ body }) => body.text());
      if (believed) expect(await asked).toBe('here');
      else await expect(asked).rejects.toThrow('certificate');
    } finally {
      await dispatcher.destroy();
    }
  }
});

test('the certificates that are believed are read once, however many connections there are', async () => {
  const dispatcher = createDispatcher(authority.certificatePem);
  const read = jest.spyOn(tls, 'createSecureContext');
  let connections = 0;
  server.on('secureConnection', () => (connections += 1));
  try {
    for (let asked = 0; asked < 3; asked += 1) await (await request(url, { dispatcher })).body.text();
    expect(connections).toBe(3);
    expect(read).not.toHaveBeenCalled();
  } finally {
    read.mockRestore();
    await dispatcher.destroy();
  }
});
