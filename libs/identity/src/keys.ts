/** Keys and certificate signing requests. All keys are ECDSA P-256: small, fast, and understood by every TLS stack. */
import { createPrivateKey, createPublicKey, generateKeyPair, webcrypto, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { LmsError } from '@lms/errors';
import { x509 } from './x509.ts';

export const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;

const generate = promisify(generateKeyPair);

/** A new private key, PKCS #8 PEM. */
export async function createPrivateKeyPem(): Promise<string> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export async function importKeyPair(privateKeyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = parsePrivateKey(privateKeyPem);
  const publicDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey(
      'pkcs8',
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      KEY_ALGORITHM,
      false,
      ['sign'],
    ),
    publicKey: await subtle.importKey('spki', publicDer, KEY_ALGORITHM, true, ['verify']),
  };
}

export function parsePrivateKey(privateKeyPem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(privateKeyPem);
  } catch (error) {
    throw new LmsError('INVALID_ARGUMENT', 'this is no private key in PEM', { cause: error });
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new LmsError('INVALID_ARGUMENT', 'the private key is not ECDSA P-256');
  }
  return key;
}

/** Proves that the asker holds the key. It carries no names: the manager writes the identity, whatever a request says. */
export async function createCertificateRequest(privateKeyPem: string): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: await importKeyPair(privateKeyPem),
    signingAlgorithm: SIGNING_ALGORITHM,
  });
  return request.toString('pem');
}

/** The public key of a request (DER), once it has proved the private one. Names and extensions in it are ignored. */
export async function verifyCertificateRequest(csrPem: string): Promise<ArrayBuffer> {
  let request: x509.Pkcs10CertificateRequest;
  let verified: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(csrPem);
    verified = await request.verify();
  } catch (error) {
    throw refusal('is no certificate signing request in PEM', error);
  }
  if (!verified) throw refusal('is not signed by the key that it names');
  const { name, namedCurve } = request.publicKey.algorithm as webcrypto.EcKeyAlgorithm;
  if (name !== KEY_ALGORITHM.name || namedCurve !== KEY_ALGORITHM.namedCurve)
    throw refusal('is not for an ECDSA P-256 key');
  return request.publicKey.rawData;
}

function refusal(why: string, cause?: unknown): LmsError {
  return new LmsError('INVALID_ARGUMENT', `csrPem ${why}`, {
    field: 'csrPem',
    action: 'make the request with an ECDSA P-256 key',
    ...(cause === undefined ? {} : { cause }),
  });
}
