/** Brings a disk image into its file, over as many connections as it takes. */
import type { DiskImageIdentity, DiskImagePlace, OperatorApi } from '@lms/api';
import { LmsError } from '@lms/errors';
import type { ImageFile } from './image-file.ts';
import type { Patience } from './patience.ts';

export interface DownloadOptions {
  readonly api: Pick<OperatorApi, 'diskImage'>;
  readonly place: DiskImagePlace;
  readonly identity: DiskImageIdentity;
  readonly file: ImageFile;
  readonly patience: Patience;
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
}

/** Returns the operation that brought the end; null when the file was whole already. */
export async function downloadImage(options: DownloadOptions): Promise<string | null> {
  const { identity, file, patience } = options;
  let operationId: string | null = null;
  const part = async (): Promise<void> => {
    operationId = await downloadPart(options);
  };
  while (file.lengthBytes < identity.sizeBytes) await patience.keepTrying(part);
  await file.end();
  return operationId;
}

async function downloadPart(options: DownloadOptions): Promise<string | null> {
  const { api, place, identity, file, patience, onProgress, signal } = options;
  const { etag, sizeBytes } = identity;
  const highest = file.lengthBytes;
  const image = await api.diskImage(place, { offsetBytes: file.lengthBytes, etag }, signal);
  if (image.offsetBytes !== file.lengthBytes) await file.beginAnew();
  for await (const piece of image.body) {
    signal.throwIfAborted();
    if (file.lengthBytes + piece.length > sizeBytes) throw tooLong(sizeBytes);
    await file.append(piece);
    // Where no parts are to be had it begins anew each time: only what was never there before is progress.
    if (file.lengthBytes > highest) patience.progressed();
    onProgress();
  }
  if (file.lengthBytes === sizeBytes) return image.operationId;
  throw new LmsError('UNAVAILABLE', `the download ended after ${file.lengthBytes} of ${sizeBytes} bytes`);
}

function tooLong(sizeBytes: number): LmsError {
  return new LmsError('PROTOCOL_VIOLATION', `more bytes came than the ${sizeBytes} of the disk`, {
    action: 'Look for a proxy that changes bodies.',
  });
}
