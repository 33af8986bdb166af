/**
 * Certificates that are renewed under the running service: the files are read again every few seconds, and new
 * connections use what is in them then. Connections that there are go on with what they began with.
 *
 * The file watcher of grpc-js itself is not used: it reads certificate and key one by one and hands on what it found. In
 * the middle of a renewal that is a new certificate with an old key, or no file, and the server then refuses everybody.
 * Here the last set that was whole stays in use until the next whole one.
 */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { experimental } from '@grpc/grpc-js';
import type { TlsFiles, TlsMaterial } from './tls-material.ts';

/** Kubernetes itself needs about a minute to bring a renewed secret into a pod. */
const READ_MILLISECONDS = 5_000;

export class CertificateFiles implements experimental.CertificateProvider {
  readonly #files: TlsFiles;
  readonly #authorityListeners = new Set<experimental.CaCertificateUpdateListener>();
  readonly #identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  #current: TlsMaterial;
  #timer: NodeJS.Timeout | null = null;

  constructor(current: TlsMaterial, files: TlsFiles) {
    this.#current = current;
    this.#files = files;
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.add(listener);
    this.#watch();
    // Later, as grpc-js expects it: whoever adds a listener gets ready for it only then.
    process.nextTick(() => listener(authorityOf(this.#current)));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.delete(listener);
    this.#watch();
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.add(listener);
    this.#watch();
    process.nextTick(() => listener(identityOf(this.#current)));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.delete(listener);
    this.#watch();
  }

  #watch(): void {
    const wanted = this.#authorityListeners.size + this.#identityListeners.size > 0;
    if (!wanted && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    // Its own servers and clients keep a process alive, not this.
    if (wanted && this.#timer === null) this.#timer = setInterval(() => void this.read(), READ_MILLISECONDS).unref();
  }

  /** Now, and not at the next time. */
  async read(): Promise<void> {
    const found = await readWhole(this.#files);
    if (found === null || isSame(found, this.#current)) return;
    this.#current = found;
    for (const listener of this.#authorityListeners) listener(authorityOf(found));
    for (const listener of this.#identityListeners) listener(identityOf(found));
  }
}

/** Null when one cannot be read, or when they do not belong together: then the renewal is under way. */
async function readWhole(files: TlsFiles): Promise<TlsMaterial | null> {
  try {
    const [caPem, certificatePem, privateKeyPem] = await Promise.all(
      [files.LMS_TLS_CA, files.LMS_TLS_CERT, files.LMS_TLS_KEY].map((path) => readFile(path, 'utf8')),
    );
    if (caPem === undefined || certificatePem === undefined || privateKeyPem === undefined) return null;
    createSecureContext({ ca: caPem, cert: certificatePem, key: privateKeyPem });
    return { caPem, certificatePem, privateKeyPem };
  } catch {
    return null;
  }
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return (
    one.caPem === other.caPem &&
    one.certificatePem === other.certificatePem &&
    one.privateKeyPem === other.privateKeyPem
  );
}

function authorityOf({ caPem }: TlsMaterial): experimental.CaCertificateUpdate {
  return { caCertificate: Buffer.from(caPem) };
}

function identityOf({ certificatePem, privateKeyPem }: TlsMaterial): experimental.IdentityCertificateUpdate {
  return { certificate: Buffer.from(certificatePem), privateKey: Buffer.from(privateKeyPem) };
}
