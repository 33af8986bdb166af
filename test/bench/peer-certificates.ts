// Certificates for the peers, laid out as nbdkit, libnbd and qemu want them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireCommand } from '../harness/command.ts';

const DAYS = '2';

async function issue(folder: string, name: 'server' | 'client', usage: string): Promise<void> {
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(
    extensions,
    `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${usage}\nkeyUsage=digitalSignature\n`,
  );
  const key = join(folder, `${name}-key.pem`);
  const request = join(folder, `${name}.csr`);
  const subject = `/CN=${name === 'server' ? 'localhost' : 'client'}`;
  await requireCommand('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', subject, '-keyout', key, '-out', request],
  ]);
  await requireCommand('openssl', [
    ...['x509', '-req', '-in', request, '-days', DAYS, '-CAcreateserial', '-extfile', extensions],
    ...['-CA', join(folder, 'ca-cert.pem'), '-CAkey', join(folder, 'ca-key.pem')],
    ...['-out', join(folder, `${name}-cert.pem`)],
  ]);
}

export async function createPeerCertificates(folder: string): Promise<void> {
  await requireCommand('openssl', [
    ...['req', '-x509', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', DAYS],
    ...['-subj', '/CN=bench', '-keyout', join(folder, 'ca-key.pem'), '-out', join(folder, 'ca-cert.pem')],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign'],
  ]);
  await issue(folder, 'server', 'serverAuth');
  await issue(folder, 'client', 'clientAuth');
}
