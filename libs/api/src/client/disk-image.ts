/** A raw disk of a point over HTTP: what its headers say, and how a download goes on where an earlier one was cut off. */
import { LmsError } from '@lms/errors';
import type { ApiClient, Download } from './api-client.ts';
import { EXPORT_SIZE_HEADER } from './replication-server-api.ts';

/** Hex, of the whole raw disk, where the manager knows it before the download. */
export const EXPORT_SHA256_HEADER = 'lms-sha256';
/** The operation that brings these bytes; once it is over it tells the SHA-256 of the whole disk. */
export const EXPORT_OPERATION_HEADER = 'lms-operation-id';

export interface DiskImagePlace {
  readonly idOrName: string;
  readonly sequence: number;
  readonly diskId: string;
}

export interface DiskImageIdentity {
  /** The ETag: the same for the same bytes, another one for others. */
  readonly etag: string;
  /** Of the whole raw disk. */
  readonly sizeBytes: number;
  /** Hex; null while the manager does not know it. */
  readonly sha256: string | null;
}

export interface DiskImageStart {
  readonly offsetBytes: number;
  /** What the bytes before are of; null where there are none. */
  readonly etag: string | null;
}

export interface DiskImage extends DiskImageIdentity {
  /** Where `body` begins: as was asked, or 0 where no parts are to be had. */
  readonly offsetBytes: number;
  readonly operationId: string | null;
  readonly body: AsyncIterable<Uint8Array>;
}

const IF_MATCH = 'If-Match';

export async function openDiskImage(
  client: ApiClient,
  path: string,
  { offsetBytes, etag }: DiskImageStart,
  signal: AbortSignal,
): Promise<DiskImage> {
  const headers = {
    ...(offsetBytes === 0 ? {} : { range: `bytes=${offsetBytes}-` }),
    ...(etag === null ? {} : { 'if-match': etag }),
  };
  const download = await client.download(path, headers, signal).catch((thrown: unknown) => {
    throw isOtherContent(thrown) ? gone(thrown) : thrown;
  });
  const identity = readIdentity(download.headers);
  const begin = download.status === 206 ? beginOf(download.headers) : 0;
  if ((begin !== offsetBytes && begin !== 0) || (etag !== null && etag !== identity.etag)) {
    throw notUnderstood(`bytes from ${begin} of ${identity.etag} came instead of those from ${offsetBytes} of ${etag}`);
  }
  const operationId = text(download.headers[EXPORT_OPERATION_HEADER]);
  return { ...identity, offsetBytes: begin, operationId, body: download.body };
}

export function readIdentity(headers: Download['headers']): DiskImageIdentity {
  const etag = text(headers['etag']);
  const size = text(headers[EXPORT_SIZE_HEADER]);
  if (etag === null || size === null || !/^\d{1,16}$/.test(size)) throw notUnderstood('it has no ETag or no size');
  return { etag, sizeBytes: Number(size), sha256: text(headers[EXPORT_SHA256_HEADER]) };
}

function beginOf(headers: Download['headers']): number {
  const found = /^bytes (\d{1,16})-\d{1,16}\/\d{1,16}$/.exec(text(headers['content-range']) ?? '');
  if (found === null) throw notUnderstood('a part of it came without its place');
  return Number(found[1]);
}

function text(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function isOtherContent(thrown: unknown): boolean {
  return thrown instanceof LmsError && thrown.code === 'ABORTED' && thrown.field === IF_MATCH;
}

function gone(cause: unknown): LmsError {
  return new LmsError('NOT_FOUND', 'the point that was being exported is gone, and another one has its number', {
    action: 'See `lms point list`, and export that one into another file.',
    cause,
  });
}

function notUnderstood(why: string): LmsError {
  return new LmsError('PROTOCOL_VIOLATION', `the answer is no disk image: ${why}`, {
    action: 'check that client and manager are of versions that go together, and that nothing between changes answers',
  });
}
