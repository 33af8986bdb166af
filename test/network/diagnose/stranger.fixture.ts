// Whoever answers on 1500 and is no replication server of this manager. First argument: how.
//
// - `untrusted`: a replication server by its looks, with certificates of another CA (a firewall that inspects TLS)
// - `mute`: takes connections and says nothing (a firewall that answers for others)
// - `web`: a web server

import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';
import { createBlockStreamListener } from '@lms/block-stream';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';

const [, , kind = ''] = process.argv;
const where = { host: '0.0.0.0', port: 1500 };

async function listenUntrusted(): Promise<void> {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const key = await createPrivateKeyPem();
  const request = await createCertificateRequest(key);
  await createBlockStreamListener({
    ...where,
    ca: authority.certificatePem,
    key,
    cert: await authority.issueReplicationServer(request, 'other', ['*.block-stream.lms.internal']),
    trustDomain: authority.trustDomain,
    onConnection: (connection) => connection.close(),
  });
}

function listenMute(): void {
  createServer((socket) => socket.on('error', () => undefined)).listen(where);
}

function listenWeb(): void {
  createWebServer((_request, response) => response.end()).listen(where);
}

const LISTEN: Readonly<Record<string, () => Promise<void> | void>> = {
  untrusted: listenUntrusted,
  mute: listenMute,
  web: listenWeb,
};
await LISTEN[kind]?.();
