/**
 * The replication server's side, where its upload came to another gateway than the operator's request: the uploads that
 * other gateways wait for, and how each is passed on.
 */
import { isErrorCode, LmsError, toLmsError } from '@lms/errors';
import type { AwaitUploadResponse, ConfirmUploadRequest } from '@lms/proto';
import type { Receipt, Upload } from '../export/export-exchange.ts';

/** As many exports as all gateways of a large installation have under way together. */
const MAXIMUM_AWAITED = 1_024;

interface Offer {
  readonly upload: Upload;
  readonly receipt: PromiseWithResolvers<Receipt>;
}

export class AwaitedUploads {
  readonly #awaited = new Map<string, PromiseWithResolvers<Offer>>();
  /** Passed on, and not confirmed yet. */
  readonly #unconfirmed = new Map<string, PromiseWithResolvers<Receipt>>();

  has(operationId: string): boolean {
    return this.#awaited.has(operationId);
  }

  /** Resolves when the gateway that waits for it says that its operator has all of it. */
  offer(operationId: string, upload: Upload): Promise<Receipt> {
    const awaited = this.#awaited.get(operationId);
    if (awaited === undefined) throw new LmsError('FAILED_PRECONDITION', `nobody waits for export ${operationId}`);
    this.#awaited.delete(operationId);
    const receipt = Promise.withResolvers<Receipt>();
    awaited.resolve({ upload, receipt });
    return receipt.promise;
  }

  confirm({ operationId, sizeBytes, sha256, errorCode, errorMessage }: ConfirmUploadRequest): void {
    const receipt = this.#unconfirmed.get(operationId);
    if (receipt === undefined) throw new LmsError('NOT_FOUND', `export ${operationId} was not passed on from here`);
    if (errorCode === '') receipt.resolve({ sizeBytes: Number(sizeBytes), sha256 });
    else receipt.reject(new LmsError(isErrorCode(errorCode) ? errorCode : 'INTERNAL', errorMessage));
  }

  /** The answers to one gateway that waits. `signal`: it has gone, or the export is over. */
  async *await(operationId: string, signal: AbortSignal): AsyncGenerator<AwaitUploadResponse> {
    if (this.#awaited.size >= MAXIMUM_AWAITED) {
      throw new LmsError('RESOURCE_EXHAUSTED', `${MAXIMUM_AWAITED} uploads are awaited already`);
    }
    const awaited = Promise.withResolvers<Offer>();
    this.#awaited.set(operationId, awaited);
    const gone = rejection(signal);
    let offer: Offer;
    try {
      offer = await Promise.race([awaited.promise, gone]);
    } finally {
      if (this.#awaited.get(operationId) === awaited) this.#awaited.delete(operationId);
    }
    yield* this.#passOn(operationId, offer, gone);
  }

  async *#passOn(
    operationId: string,
    { upload, receipt }: Offer,
    gone: Promise<never>,
  ): AsyncGenerator<AwaitUploadResponse> {
    gone.catch((reason: unknown) => receipt.reject(toLmsError(reason)));
    this.#unconfirmed.set(operationId, receipt);
    try {
      yield { part: { $case: 'sizeBytes', value: BigInt(upload.sizeBytes) } };
      // Not destroyed when it is left early: the refusal is an answer on the same connection.
      for await (const data of upload.body.iterator({ destroyOnReturn: false })) {
        yield { part: { $case: 'data', value: data as Buffer } };
      }
      yield { part: { $case: 'complete', value: true } };
      await receipt.promise;
    } catch (thrown) {
      const broken = thrown instanceof LmsError ? thrown : brokenOff(thrown);
      receipt.reject(broken);
      throw broken;
    } finally {
      // Left early, without an error: the caller reads no more.
      receipt.reject(new LmsError('CANCELLED', 'the operator went away'));
      if (this.#unconfirmed.get(operationId) === receipt) this.#unconfirmed.delete(operationId);
      upload.body.resume();
    }
  }
}

function brokenOff(cause: unknown): LmsError {
  return new LmsError('CANCELLED', 'the upload broke off', { cause });
}

function rejection(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(toLmsError(signal.reason));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  // Whoever waits for it may have left.
  promise.catch(() => undefined);
  return promise;
}
