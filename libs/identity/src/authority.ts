/**
 * The manager's own certificate authority: one self-signed certificate, everything else directly under it.
 *
 * The trust domain is made with the CA and stands in its certificate, so that CA and identities cannot disagree, and a
 * certificate of another installation is foreign twice. `notBefore` lies an hour back: a machine whose clock is behind
 * by less still accepts what was issued just now.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { LmsError } from '@lms/errors';
import { alternativeNames, certificateSha256, parseCertificate } from './certificate.ts';
import {
  SIGNING_ALGORITHM,
  createPrivateKeyPem,
  importKeyPair,
  parsePrivateKey,
  verifyCertificateRequest,
} from './keys.ts';
import { formatIdentity, type Identity } from './spiffe.ts';
import { x509 } from './x509.ts';

const HOUR_MILLISECONDS = 3_600_000;
const DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS;
const CLOCK_SKEW_MILLISECONDS = HOUR_MILLISECONDS;
const AUTHORITY_LIFE_MILLISECONDS = 3_650 * DAY_MILLISECONDS;

const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
/** What TLS may use a certificate for: a machine's never opens a server. */
const KEY_USAGES = {
  machine: [clientAuth],
  'replication-server': [serverAuth],
  gateway: [serverAuth],
  service: [serverAuth, clientAuth],
} as const;
type Holder = keyof typeof KEY_USAGES;

/** Renewed at half. A machine's is short since it cannot be called back where there is no deny-list yet. */
export const CERTIFICATE_LIFE_MILLISECONDS = {
  machine: DAY_MILLISECONDS,
  /** Replication goes on while the manager is away for days. */
  'replication-server': 7 * DAY_MILLISECONDS,
  gateway: 90 * DAY_MILLISECONDS,
  service: 397 * DAY_MILLISECONDS,
} as const;

export interface AuthorityFiles {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export class CertificateAuthority {
  readonly certificatePem: string;
  /** Hex, of the certificate's DER. */
  readonly sha256: string;
  readonly trustDomain: string;
  private readonly certificate: x509.X509Certificate;
  private readonly signingKey: CryptoKey;

  private constructor(files: AuthorityFiles, signingKey: CryptoKey, trustDomain: string) {
    this.certificatePem = files.certificatePem;
    this.sha256 = certificateSha256(files.certificatePem);
    this.certificate = new x509.X509Certificate(files.certificatePem);
    this.signingKey = signingKey;
    this.trustDomain = trustDomain;
  }

  /** A new authority with a trust domain of its own, `lms-<16 hex>`; the caller keeps both files, the key in secret. */
  static async create(now: Date = new Date()): Promise<AuthorityFiles> {
    const trustDomain = `lms-${randomBytes(8).toString('hex')}`;
    const privateKeyPem = await createPrivateKeyPem();
    const keys = await importKeyPair(privateKeyPem);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=Live Migration Service ${trustDomain}`,
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: new Date(now.getTime() - CLOCK_SKEW_MILLISECONDS),
      notAfter: new Date(now.getTime() + AUTHORITY_LIFE_MILLISECONDS),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { certificatePem: certificate.toString('pem'), privateKeyPem };
  }

  static async open(files: AuthorityFiles): Promise<CertificateAuthority> {
    const { privateKey } = await importKeyPair(files.privateKeyPem);
    const parsed = parseCertificate(files.certificatePem);
    const [uri] = alternativeNames(parsed).uris;
    const trustDomain = uri === undefined ? undefined : /^spiffe:\/\/([a-z0-9.-]+)$/.exec(uri)?.[1];
    if (trustDomain === undefined || !parsed.ca) {
      throw new LmsError('INVALID_ARGUMENT', 'the CA certificate is not one of this product');
    }
    if (!parsed.checkPrivateKey(parsePrivateKey(files.privateKeyPem))) {
      throw new LmsError('INVALID_ARGUMENT', "the CA's certificate and private key do not belong together");
    }
    return new CertificateAuthority(files, privateKey, trustDomain);
  }

  /** For a machine's agent, by its request. */
  issueMachine(csrPem: string, machineId: string, now: Date = new Date()): Promise<string> {
    return this.issueByRequest(csrPem, { kind: 'machine', id: machineId }, [], now);
  }

  /** For a replication server; agents find it by `dnsNames` (SNI), such as `*.block-stream.lms.internal`. */
  issueReplicationServer(
    csrPem: string,
    name: string,
    dnsNames: readonly string[],
    now: Date = new Date(),
  ): Promise<string> {
    return this.issueByRequest(csrPem, { kind: 'replication-server', id: name }, dnsNames, now);
  }

  /** For the gateway's 443: DNS names and IP addresses that it answers as. No identity: agents check names here. */
  async issueGateway(csrPem: string, names: readonly string[], now: Date = new Date()): Promise<string> {
    const publicKey = await verifyCertificateRequest(csrPem);
    return this.issue(publicKey, 'CN=gateway', names.map(hostName), 'gateway', now);
  }

  /** For a service of the manager: both ends of gRPC. Makes the key too, since one process makes all of them. */
  async issueService(component: string, dnsNames: readonly string[], now: Date = new Date()): Promise<AuthorityFiles> {
    const privateKeyPem = await createPrivateKeyPem();
    const { publicKey } = await importKeyPair(privateKeyPem);
    const identity = formatIdentity({ trustDomain: this.trustDomain, kind: 'service', id: component });
    const names = [{ type: 'url' as const, value: identity }, ...dnsNames.map(hostName)];
    return { certificatePem: await this.issue(publicKey, `CN=${component}`, names, 'service', now), privateKeyPem };
  }

  private async issueByRequest(
    csrPem: string,
    subject: Pick<Identity, 'id'> & { readonly kind: 'machine' | 'replication-server' },
    dnsNames: readonly string[],
    now: Date,
  ): Promise<string> {
    const publicKey = await verifyCertificateRequest(csrPem);
    const identity = formatIdentity({ trustDomain: this.trustDomain, ...subject });
    const names = [{ type: 'url' as const, value: identity }, ...dnsNames.map(hostName)];
    return this.issue(publicKey, `CN=${subject.id}`, names, subject.kind, now);
  }

  private async issue(
    publicKey: CryptoKey | ArrayBuffer,
    subject: string,
    names: x509.JsonGeneralNames,
    holder: Holder,
    now: Date,
  ): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
      subject,
      issuer: this.certificate.subject,
      publicKey: publicKey instanceof ArrayBuffer ? new x509.PublicKey(publicKey) : publicKey,
      signingKey: this.signingKey,
      signingAlgorithm: SIGNING_ALGORITHM,
      serialNumber: serialNumber(),
      notBefore: new Date(now.getTime() - CLOCK_SKEW_MILLISECONDS),
      notAfter: new Date(now.getTime() + CERTIFICATE_LIFE_MILLISECONDS[holder]),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([...KEY_USAGES[holder]]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.certificate),
      ],
    });
    return certificate.toString('pem');
  }
}

/** 127 random bits, positive. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString('hex');
}

function hostName(name: string): x509.JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name };
}
