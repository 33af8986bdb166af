/**
 * The SHA-256 of a whole raw disk, as the replication server knows it. It computes it while it sends. Where the last part of a
 * download did not come to that (the gateway went at the last moment), the disk's last byte is asked for again, which brings
 * it as long as the replication server remembers; where it does not (it was started anew), a verification reads the whole.
 */
import type { DiskImageIdentity, DiskImagePlace, Operation, OperatorApi } from '@lms/api';
import { CommandError } from '@lms/command-line';
import { LmsError, toLmsError } from '@lms/errors';
import type { Patience } from './patience.ts';

/** The manager holds a question for at most 25 s. */
const WAIT_SECONDS = 20;

export interface DigestQuestion {
  readonly api: Pick<OperatorApi, 'operation' | 'diskImage' | 'diskImageIdentity' | 'verifyPoint'>;
  readonly place: DiskImagePlace;
  /** Of the content that was downloaded. */
  readonly identity: DiskImageIdentity;
  /** Which brought the end of it; null: none did. */
  readonly operationId: string | null;
  readonly patience: Patience;
  readonly onVerify: () => void;
  readonly signal: AbortSignal;
}

export async function findDigest(question: DigestQuestion): Promise<string> {
  return (
    (await digestOfExport(question, question.operationId)) ??
    (await digestOfPoint(question)) ??
    (await digestOfLastByte(question)) ??
    (await digestOfVerification(question))
  );
}

/** The result comes right behind the last byte, unless the replication server went in between. */
async function digestOfExport(
  { api, patience, signal }: DigestQuestion,
  operationId: string | null,
): Promise<string | null> {
  if (operationId === null) return null;
  const operation = await patience.keepTrying(async () => {
    const seen = await knownOperation(api, operationId, signal);
    if (seen?.state === 'pending')
      throw new LmsError('UNAVAILABLE', 'the replication server has not said yet that it sent all');
    return seen;
  });
  if (operation?.state === 'failed' && operation.code === 'DATA_LOSS') {
    throw new LmsError('DATA_LOSS', operation.message ?? 'the replication server sent other bytes than came here');
  }
  return operation?.sha256 ?? null;
}

async function knownOperation(
  api: DigestQuestion['api'],
  operationId: string,
  signal: AbortSignal,
): Promise<Operation | null> {
  try {
    return await api.operation(operationId, WAIT_SECONDS, signal);
  } catch (thrown) {
    // A manager that lost its state meanwhile.
    if (toLmsError(thrown).code === 'NOT_FOUND') return null;
    throw thrown;
  }
}

async function digestOfPoint({ api, place, identity, patience, signal }: DigestQuestion): Promise<string | null> {
  const now = await patience.keepTrying(() => api.diskImageIdentity(place, signal));
  if (now.etag === identity.etag) return now.sha256;
  throw new LmsError(
    'NOT_FOUND',
    `point ${place.sequence} of ${place.idOrName} is gone, and another one has its number`,
  );
}

async function digestOfLastByte(question: DigestQuestion): Promise<string | null> {
  const { api, place, identity, patience, signal } = question;
  const { etag, sizeBytes } = identity;
  if (sizeBytes === 0) return null;
  const operationId = await patience.keepTrying(async () => {
    const image = await api.diskImage(place, { offsetBytes: sizeBytes - 1, etag }, signal);
    // No parts are to be had there: left as it is, the rest is not sent.
    if (image.offsetBytes === 0 && sizeBytes > 1) return null;
    for await (const _piece of image.body) signal.throwIfAborted();
    return image.operationId;
  });
  return digestOfExport(question, operationId);
}

async function digestOfVerification({ api, place, patience, onVerify, signal }: DigestQuestion): Promise<string> {
  onVerify();
  const { idOrName, sequence, diskId } = place;
  const operation = await patience.keepTrying(async () => {
    const { operationId } = await api.verifyPoint(idOrName, sequence, signal);
    for (;;) {
      const seen = await api.operation(operationId, WAIT_SECONDS, signal);
      // It reads whole disks, for hours if they are large.
      patience.progressed();
      if (seen.state !== 'pending') return seen;
    }
  });
  const sha256 = operation.verifyReport?.mismatchedBlocks === 0 ? operation.verifyReport.sha256[diskId] : undefined;
  if (sha256 !== undefined) return sha256;
  const reason = operation.message ?? 'blocks of it do not match their digests';
  throw new CommandError('failed', 'DATA_LOSS', `point ${sequence} of ${idOrName} cannot be verified: ${reason}`, {
    action: 'See `lms point verify`, and export another point.',
  });
}
