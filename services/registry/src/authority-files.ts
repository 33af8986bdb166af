/**
 * The manager's CA on disk. Only this service reads its key.
 *
 * The key is written and fsynced before the certificate appears under its name, so that a certificate without its key is
 * never seen; a key without a certificate is left from a start that was killed, and is made anew. A folder that may not be
 * written (a Kubernetes secret) must hold both.
 */
import { createHash, hkdfSync } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import { CertificateAuthority, parsePrivateKey } from '@lms/identity';

const CERTIFICATE_FILE = 'ca.pem';
const KEY_FILE = 'ca-key.pem';
const DERIVED_KEY_BYTES = 32;

export interface OpenedAuthority {
  readonly authority: CertificateAuthority;
  /** HS256 key of the gateways' access tokens. It follows from the CA's key, so that it is the same after the loss of all state. */
  readonly accessTokenKey: Uint8Array;
  /** What secrets in the state are sealed with. It follows from the CA's key too. */
  readonly stateSecret: Uint8Array;
}

export async function openAuthority(directory: string): Promise<OpenedAuthority> {
  const certificatePem = await readOrNull(join(directory, CERTIFICATE_FILE));
  const files =
    certificatePem === null
      ? await createFiles(directory)
      : { certificatePem, privateKeyPem: await requireKey(directory) };
  const authority = await CertificateAuthority.open(files);
  const key = parsePrivateKey(files.privateKeyPem).export({ type: 'pkcs8', format: 'der' });
  const salt = createHash('sha256').update(authority.trustDomain).digest();
  const derive = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', key, salt, purpose, DERIVED_KEY_BYTES));
  return { authority, accessTokenKey: derive('lms access token'), stateSecret: derive('lms state secret') };
}

async function createFiles(directory: string): Promise<{ certificatePem: string; privateKeyPem: string }> {
  const files = await CertificateAuthority.create();
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeDurably(directory, KEY_FILE, files.privateKeyPem, 0o600);
    await writeDurably(directory, CERTIFICATE_FILE, files.certificatePem, 0o644);
  } catch (error) {
    throw new LmsError('FAILED_PRECONDITION', `${directory} holds no CA and cannot be written`, {
      action: `Let this process write ${directory}, or put ${CERTIFICATE_FILE} and ${KEY_FILE} there.`,
      cause: error,
    });
  }
  return files;
}

async function requireKey(directory: string): Promise<string> {
  const key = await readOrNull(join(directory, KEY_FILE));
  if (key !== null) return key;
  throw new LmsError('FAILED_PRECONDITION', `${directory} holds ${CERTIFICATE_FILE} without ${KEY_FILE}`, {
    action: 'Restore the key from a backup. Without it every agent must be enrolled anew.',
  });
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function writeDurably(directory: string, name: string, content: string, mode: number): Promise<void> {
  const temporary = join(directory, `${name}.tmp`);
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, name));
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
