/** The operator's side: one other gateway is asked to pass on the upload of an export if it comes there. */
import { Readable } from 'node:stream';
import { LmsError, toLmsError } from '@lms/errors';
import type { AwaitUploadResponse, ConfirmUploadRequest } from '@lms/proto';
import type { Receipt, Upload } from '../export/export-exchange.ts';
import type { PeerClient } from './peer-directory.ts';

/** Longer than any export is allowed to take (see `export-image.ts`). */
const DEADLINE_MILLISECONDS = 25 * 3_600_000;

export interface AwaitedExport {
  readonly operationId: string;
  readonly gatewayId: string;
  /** False when the upload came to somebody else already. */
  readonly claim: () => boolean;
  readonly receive: (upload: Upload) => Promise<Receipt>;
  /** Nobody waits any more. It does not end what was claimed: that ends by itself, and is confirmed. */
  readonly signal: AbortSignal;
}

/** Resolves when the upload came there and is over, or came elsewhere; rejects when it never will. */
export async function awaitUpload(peer: PeerClient, awaited: AwaitedExport): Promise<void> {
  const { operationId, gatewayId, claim, receive, signal } = awaited;
  const unclaimed = new AbortController();
  const giveUp = (): void => unclaimed.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  const settings = { signal: unclaimed.signal, deadlineMilliseconds: DEADLINE_MILLISECONDS };
  const answers = peer.awaitUpload({ operationId, gatewayId }, settings)[Symbol.asyncIterator]();
  try {
    const first = await answers.next();
    if (first.done === true) throw new LmsError('UNAVAILABLE', 'the other gateway waits no more');
    if (first.value.part?.$case !== 'sizeBytes') throw new LmsError('INTERNAL', 'the first part is not the size');
    if (!claim()) return;
    signal.removeEventListener('abort', giveUp);
    const sizeBytes = Number(first.value.part.value);
    const body = Readable.from(bytesOf(answers), { objectMode: false });
    const confirmation = await outcome(operationId, receive({ body, sizeBytes }));
    await peer.confirmUpload(confirmation);
  } finally {
    signal.removeEventListener('abort', giveUp);
    await answers.return?.();
  }
}

async function* bytesOf(answers: AsyncIterator<AwaitUploadResponse>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await answers.next();
    const part = next.done === true ? undefined : next.value.part;
    if (part?.$case === 'complete') return;
    if (part?.$case !== 'data') throw new LmsError('UNAVAILABLE', 'the other gateway broke off');
    yield part.value;
  }
}

async function outcome(operationId: string, receiving: Promise<Receipt>): Promise<ConfirmUploadRequest> {
  try {
    const { sizeBytes, sha256 } = await receiving;
    return { operationId, sizeBytes: BigInt(sizeBytes), sha256, errorCode: '', errorMessage: '' };
  } catch (thrown) {
    const { code, message } = toLmsError(thrown);
    return { operationId, sizeBytes: 0n, sha256: '', errorCode: code, errorMessage: message };
  }
}
