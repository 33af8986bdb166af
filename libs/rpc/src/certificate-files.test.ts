import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@lms/identity';
import { CertificateFiles } from './certificate-files.ts';
import { readTlsMaterial, type TlsMaterial } from './tls-material.ts';

let folder: string;
let issue: () => Promise<TlsMaterial>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lms-test-'));
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  issue = async () => ({
    caPem: authority.certificatePem,
    ...(await authority.issueService('registry', ['registry'])),
  });
});
afterEach(() => rm(folder, { recursive: true }));

async function write({ caPem, certificatePem, privateKeyPem }: TlsMaterial) {
  const files = { LMS_TLS_CA: caPem, LMS_TLS_CERT: certificatePem, LMS_TLS_KEY: privateKeyPem };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const path = (name: keyof typeof files): string => join(folder, name);
  return { LMS_TLS_CA: path('LMS_TLS_CA'), LMS_TLS_CERT: path('LMS_TLS_CERT'), LMS_TLS_KEY: path('LMS_TLS_KEY') };
}

async function watch(first: TlsMaterial) {
  const paths = await write(first);
  const files = new CertificateFiles(readTlsMaterial(paths), paths);
  const told: (string | undefined)[] = [];
  const listener = (update: { certificate: Buffer } | null): void => void told.push(update?.certificate.toString());
  files.addIdentityCertificateListener(listener);
  return { files, paths, told, stop: () => files.removeIdentityCertificateListener(listener) };
}

test('whoever listens is told what there is at once, and then what is new, once', async () => {
  const first = await issue();
  const second = await issue();
  const { files, told, stop } = await watch(first);
  await files.read();
  await write(second);
  await files.read();
  await files.read();
  expect(told).toEqual([first.certificatePem, second.certificatePem]);
  stop();
  await write(first);
  await files.read();
  expect(told).toHaveLength(2);
});

test('a certificate without its key, and files that are missing or no certificates, change nothing', async () => {
  const first = await issue();
  const second = await issue();
  const { files, paths, told, stop } = await watch(first);
  await write({ ...second, privateKeyPem: first.privateKeyPem });
  await files.read();
  await write({ ...second, certificatePem: second.certificatePem.slice(0, 200) });
  await files.read();
  await rm(paths.LMS_TLS_KEY);
  await files.read();
  expect(told).toEqual([first.certificatePem]);
  await write(second);
  await files.read();
  expect(told).toEqual([first.certificatePem, second.certificatePem]);
  stop();
});
