/**
 * Who this replication server is: its own key, the certificate that the manager gave for it, and that manager's CA.
 *
 * Mechanism: the first start makes a key, checks the CA against its SHA-256 and enrols with the bootstrap token; all files
 * appear by one rename. The certificate is renewed at half of its life, for the same key. Special cases: a certificate that
 * ran out while the manager was away cannot renew itself, and a manager may have lost its memory of us; with a bootstrap
 * token the server then enrols again. A data folder
 * of another manager is refused: its machines are not this one's.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LmsError, toLmsError } from '@lms/errors';
import { ReplicationServerApi, enrolReplicationServer, fetchManagerCa } from '@lms/api';
import {
  certificateSha256,
  createCertificateRequest,
  createPrivateKeyPem,
  makeAssertion,
  parseCertificate,
  renewalInstant,
} from '@lms/identity';
import { fsyncFolder } from '@lms/linux';
import { ProxyError } from '@lms/proxy';
import type { ProxySettings } from '@lms/proxy';
import type { Configuration } from '../configuration.ts';
import { replaceDurably } from '../durable-file.ts';

const KEY_FILE = 'key.pem';
const CERTIFICATE_FILE = 'certificate.pem';
const CA_FILE = 'ca.pem';
const FACTS_FILE = 'identity.json';
/** Replication must not wait longer for a manager that is away. */
const ACCEPTANCE_TIMEOUT_MILLISECONDS = 5_000;

interface IdentityFiles {
  readonly name: string;
  readonly trustDomain: string;
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

export class ServerIdentity {
  readonly name: string;
  readonly trustDomain: string;
  readonly caPem: string;
  readonly privateKeyPem: string;
  readonly #folder: string;
  #certificatePem: string;

  constructor(folder: string, files: IdentityFiles) {
    this.name = files.name;
    this.trustDomain = files.trustDomain;
    this.caPem = files.caPem;
    this.privateKeyPem = files.privateKeyPem;
    this.#folder = folder;
    this.#certificatePem = files.certificatePem;
  }

  get certificatePem(): string {
    return this.#certificatePem;
  }

  /** For an access token; always with the present certificate. */
  signAssertion(): Promise<string> {
    const { privateKeyPem, certificatePem, caPem } = this;
    return makeAssertion({ privateKeyPem, certificatePem, caSha256: certificateSha256(caPem) });
  }

  renewalInstant(): Date {
    return renewalInstant(parseCertificate(this.#certificatePem));
  }

  async renew(api: ReplicationServerApi, signal: AbortSignal): Promise<void> {
    const answer = await api.renewCertificate(await createCertificateRequest(this.privateKeyPem), signal);
    await replaceDurably(join(this.#folder, CERTIFICATE_FILE), answer.certificatePem);
    this.#certificatePem = answer.certificatePem;
  }
}

/** The identity in the folder, or a new one by enrolment. */
export async function ensureIdentity(
  folder: string,
  configuration: Configuration,
  version: string,
  proxy: ProxySettings | null,
  signal: AbortSignal,
): Promise<ServerIdentity> {
  const known = await readIdentity(folder);
  if (known !== null) {
    requireSameManager(folder, known, configuration);
    const identity = new ServerIdentity(folder, known);
    const inForce = parseCertificate(known.certificatePem).validToDate > new Date();
    const hasToken = configuration.bootstrapTokenFile !== null;
    if (inForce && (!hasToken || (await isAccepted(identity, configuration.managerUrl, proxy, signal))))
      return identity;
    if (!hasToken) {
      throw new LmsError('UNAUTHENTICATED', `The certificate in ${folder} has run out`, {
        action: 'Start once with --bootstrap-token-file and a new token of the manager.',
      });
    }
  }
  const files = await enrol(configuration, version, proxy, signal);
  await writeIdentity(folder, files);
  return new ServerIdentity(folder, files);
}

/** Whether the manager knows us. One that does not answer now is no reason to give an identity up. */
async function isAccepted(
  identity: ServerIdentity,
  managerUrl: string,
  proxy: ProxySettings | null,
  signal: AbortSignal,
): Promise<boolean> {
  const { caPem } = identity;
  const api = new ReplicationServerApi({
    managerUrl,
    caPem,
    signAssertion: () => identity.signAssertion(),
    retries: 0,
    proxy,
  });
  try {
    await api.assignments(null, 0, AbortSignal.any([signal, AbortSignal.timeout(ACCEPTANCE_TIMEOUT_MILLISECONDS)]));
    return true;
  } catch (thrown) {
    // It may be the proxy that does not accept us, which is not the manager's word.
    return thrown instanceof ProxyError || toLmsError(thrown).code !== 'UNAUTHENTICATED';
  } finally {
    await api.close();
  }
}

async function readIdentity(folder: string): Promise<IdentityFiles | null> {
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  try {
    const facts = JSON.parse(await read(FACTS_FILE)) as { name: string; trustDomain: string };
    return {
      name: facts.name,
      trustDomain: facts.trustDomain,
      privateKeyPem: await read(KEY_FILE),
      certificatePem: await read(CERTIFICATE_FILE),
      caPem: await read(CA_FILE),
    };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

function requireSameManager(folder: string, known: IdentityFiles, configuration: Configuration): void {
  if (certificateSha256(known.caPem) === configuration.caSha256) return;
  throw new LmsError('FAILED_PRECONDITION', `The data folder ${dirname(folder)} belongs to a manager with another CA`, {
    action: 'Give this server a data folder of its own, or check --ca-sha256.',
  });
}

async function enrol(
  configuration: Configuration,
  version: string,
  proxy: ProxySettings | null,
  signal: AbortSignal,
): Promise<IdentityFiles> {
  const token = await readToken(configuration.bootstrapTokenFile);
  const { managerUrl, name } = configuration;
  const caPem = await fetchManagerCa(managerUrl, configuration.caSha256, signal, proxy);
  const privateKeyPem = await createPrivateKeyPem();
  const csrPem = await createCertificateRequest(privateKeyPem);
  const answer = await enrolReplicationServer(managerUrl, caPem, { token, csrPem, name, version }, signal, proxy);
  return {
    name: answer.name,
    trustDomain: answer.trustDomain,
    privateKeyPem,
    certificatePem: answer.certificatePem,
    caPem,
  };
}

async function readToken(file: string | null): Promise<string> {
  if (file === null) {
    throw new LmsError('INVALID_ARGUMENT', 'This server has not enrolled, and no bootstrap token was given', {
      field: '--bootstrap-token-file',
      action: 'Give --bootstrap-token-file with a token of the manager.',
    });
  }
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (thrown) {
    throw new LmsError('INVALID_ARGUMENT', `The bootstrap token file ${file} cannot be read`, {
      field: '--bootstrap-token-file',
      action: 'Name a file that this process may read.',
      cause: thrown,
    });
  }
}

/** All files or none: a folder beside it, then one rename. */
async function writeIdentity(folder: string, files: IdentityFiles): Promise<void> {
  const temporary = `${folder}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(temporary, name), text, { mode: 0o600, flush: true });
  await write(KEY_FILE, files.privateKeyPem);
  await write(CERTIFICATE_FILE, files.certificatePem);
  await write(CA_FILE, files.caPem);
  await write(FACTS_FILE, `${JSON.stringify({ name: files.name, trustDomain: files.trustDomain })}\n`);
  await fsyncFolder(temporary);
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
  await fsyncFolder(dirname(folder));
}
