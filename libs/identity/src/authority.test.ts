import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import {
  CertificateAuthority,
  alternativeNames,
  certificateSha256,
  createCertificateRequest,
  createPrivateKeyPem,
  parseCertificate,
  parseIdentity,
  parsePrivateKey,
  renewalInstant,
} from './index.ts';

const DAY = 86_400_000;
const now = new Date('2026-11-23T12:00:00Z');

async function authority() {
  const files = await CertificateAuthority.create(now);
  return { files, authority: await CertificateAuthority.open(files) };
}

test('the authority lasts ten years and carries its trust domain', async () => {
  const { files, authority: ca } = await authority();
  const certificate = new X509Certificate(files.certificatePem);
  expect(certificate.ca).toBe(true);
  expect(certificate.validToDate.getTime() - now.getTime()).toBe(3_650 * DAY);
  expect(alternativeNames(certificate).uris).toEqual([`spiffe://${ca.trustDomain}`]);
  expect(ca.sha256).toBe(certificate.fingerprint256.replaceAll(':', '').toLowerCase());
  expect(ca.sha256).toBe(certificateSha256(files.certificatePem));
  const other = await authority();
  expect(other.authority.trustDomain).not.toBe(ca.trustDomain);
});

test('a machine gets its own identity for 24 hours, whatever its clock is behind', async () => {
  const { authority: ca } = await authority();
  const key = await createPrivateKeyPem();
  const certificate = parseCertificate(await ca.issueMachine(await createCertificateRequest(key), 'm-01', now));
  expect(alternativeNames(certificate)).toEqual({ uris: [`spiffe://${ca.trustDomain}/machine/m-01`], dnsNames: [] });
  expect(certificate.validToDate.getTime()).toBe(now.getTime() + DAY);
  expect(certificate.validFromDate.getTime()).toBe(now.getTime() - 3_600_000);
  expect(certificate.verify(parseCertificate(ca.certificatePem).publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(parsePrivateKey(key))).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  expect(renewalInstant(certificate).getTime()).toBe(now.getTime() + 11.5 * 3_600_000);
});

test('names that a request asks for are ignored', async () => {
  const { x509 } = await import('./x509.ts');
  const { importKeyPair } = await import('./keys.ts');
  const { authority: ca } = await authority();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=root',
    keys: await importKeyPair(await createPrivateKeyPem()),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${ca.trustDomain}/machine/m-victim` }]),
      new x509.BasicConstraintsExtension(true),
    ],
  });
  const certificate = parseCertificate(await ca.issueMachine(request.toString('pem'), 'm-01', now));
  expect(alternativeNames(certificate).uris).toEqual([`spiffe://${ca.trustDomain}/machine/m-01`]);
  expect(certificate.subject).toBe('CN=m-01');
  expect(certificate.ca).toBe(false);
});

test('a request that is broken, signed by another key or not of P-256 is refused', async () => {
  const { authority: ca } = await authority();
  const good = await createCertificateRequest(await createPrivateKeyPem());
  const other = await createCertificateRequest(await createPrivateKeyPem());
  const bytes = Buffer.from(good.replaceAll(/-----.*-----|\n/g, ''), 'base64');
  // The last bytes are the signature.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
  for (const csr of [forged, 'nothing', good.slice(0, 80), `${other.slice(0, 200)}${good.slice(200)}`]) {
    await expect(ca.issueMachine(csr, 'm-01', now)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});

test('a replication server answers as its names and a gateway as names and addresses', async () => {
  const { authority: ca } = await authority();
  const csr = await createCertificateRequest(await createPrivateKeyPem());
  const server = parseCertificate(await ca.issueReplicationServer(csr, 'rs-1', ['*.block-stream.lms.internal'], now));
  expect(server.checkHost('m-01.block-stream.lms.internal')).toBe('*.block-stream.lms.internal');
  expect(alternativeNames(server).uris.map(parseIdentity)).toEqual([
    { trustDomain: ca.trustDomain, kind: 'replication-server', id: 'rs-1' },
  ]);
  const gateway = parseCertificate(await ca.issueGateway(csr, ['manager.example', '127.0.0.1', '::1'], now));
  expect(gateway.checkHost('manager.example')).toBe('manager.example');
  expect(gateway.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(gateway.checkIP('::1')).toBeTruthy();
  expect(alternativeNames(gateway).uris).toEqual([]);
});

test('a service gets a key and its own identity', async () => {
  const { authority: ca } = await authority();
  const files = await ca.issueService('registry', ['registry.lms.internal'], now);
  const certificate = parseCertificate(files.certificatePem);
  expect(certificate.checkPrivateKey(parsePrivateKey(files.privateKeyPem))).toBe(true);
  expect(alternativeNames(certificate)).toEqual({
    uris: [`spiffe://${ca.trustDomain}/service/registry`],
    dnsNames: ['registry.lms.internal'],
  });
});

test('a certificate and a key that do not belong together are refused at opening', async () => {
  const first = await CertificateAuthority.create(now);
  const second = await CertificateAuthority.create(now);
  const mixed = { certificatePem: first.certificatePem, privateKeyPem: second.privateKeyPem };
  await expect(CertificateAuthority.open(mixed)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('keys of other kinds are refused', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  expect(() => parsePrivateKey(rsa.toString())).toThrow('not ECDSA P-256');
});
