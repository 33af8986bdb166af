/** The operator's side of an export: ask for it, wait for the upload or for the reason why none comes, pass it on. */
import type { ServerResponse } from 'node:http';
import { LmsError, isErrorCode } from '@lms/errors';
import { OperationKind, OperationState } from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import type { ServiceClients } from '../manager-services.ts';
import type { ByteRange } from '../http/byte-range.ts';
import type { DiskImage } from './disk-image.ts';
import type { ExportExchange } from './export-exchange.ts';
import { streamImage } from './stream-image.ts';

/** A replication server that runs asks for its tasks all the time, and opens the point in no time. */
const START_MILLISECONDS = 60_000;
/** The task is over long before; this is for what would be forgotten. */
const OPERATION_SECONDS = 86_400;
const WAIT_MILLISECONDS = 25_000;
const DEADLINE_MARGIN_MILLISECONDS = 5_000;

export interface ImageRequest {
  readonly image: DiskImage;
  /** Null: the whole. */
  readonly range: ByteRange | null;
}

export interface ExportParts {
  readonly clients: Pick<ServiceClients, 'registry'>;
  readonly exchange: ExportExchange;
  /** Default 60 s. */
  readonly startMilliseconds?: number;
}

/** Rejects before anything was sent when the export cannot begin; afterwards the response is cut off. */
export async function exportImage(
  { clients, exchange, startMilliseconds = START_MILLISECONDS }: ExportParts,
  request: ImageRequest,
  response: ServerResponse,
  callerGone: AbortSignal,
): Promise<void> {
  const operation = await requestExport(clients, request);
  const answer = { ...request, operationId: operation.id };
  const began = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  // Whoever waits for the end comes later than a failure may.
  ended.promise.catch(() => undefined);
  const waiting = exchange.expect(operation.id, async (upload) => {
    began.resolve();
    try {
      const receipt = await streamImage(upload, response, answer);
      ended.resolve();
      return receipt;
    } catch (error) {
      ended.reject(error);
      throw error;
    }
  });
  const watching = new AbortController();
  const over = AbortSignal.any([watching.signal, callerGone]);
  try {
    const failure = watchFailure(clients, operation.id, over);
    const tooLate = rejectAfter(startMilliseconds, request.image.idOrName, over);
    await Promise.race([began.promise, failure, tooLate]);
    watching.abort();
    await ended.promise;
  } catch (error) {
    await giveUp(clients, operation, error);
    throw error;
  } finally {
    watching.abort();
    waiting[Symbol.dispose]();
  }
}

async function requestExport(
  { registry }: Pick<ServiceClients, 'registry'>,
  { image, range }: ImageRequest,
): Promise<{ readonly id: string; readonly machineId: string }> {
  const { operation } = await registry.createOperation({
    idOrName: image.machineId,
    kind: OperationKind.EXPORT_DISK,
    consistency: 0,
    sequence: BigInt(image.sequence),
    diskId: image.diskId,
    checkpointId: image.checkpointId,
    offsetBytes: BigInt(range?.offsetBytes ?? 0),
    lengthBytes: BigInt(range?.lengthBytes ?? 0),
    replicationServer: '',
    check: undefined,
    timeoutSeconds: OPERATION_SECONDS,
    traceparent: activeTraceparent() ?? '',
    idempotencyKey: '',
  });
  if (operation === undefined) throw new LmsError('INTERNAL', 'the registry made no operation');
  return { id: operation.operationId, machineId: operation.machineId };
}

/** Rejects when the replication server says that it cannot; never resolves. */
async function watchFailure(
  { registry }: Pick<ServiceClients, 'registry'>,
  operationId: string,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    const settings = { signal, deadlineMilliseconds: WAIT_MILLISECONDS + DEADLINE_MARGIN_MILLISECONDS };
    const { operation } = await registry.getOperation({ operationId, waitMilliseconds: WAIT_MILLISECONDS }, settings);
    if (operation?.state !== OperationState.FAILED) continue;
    const { errorCode, errorMessage } = operation;
    throw new LmsError(isErrorCode(errorCode) ? errorCode : 'INTERNAL', errorMessage);
  }
}

function rejectAfter(milliseconds: number, idOrName: string, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new LmsError('DEADLINE_EXCEEDED', `the replication server of ${idOrName} did not begin the export in time`, {
          action: 'see `lms status` and the logs of the replication server',
        }),
      );
    }, milliseconds);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** So that the replication server stops too. What it has ended by itself stays as it is. */
async function giveUp(
  { registry }: Pick<ServiceClients, 'registry'>,
  { id, machineId }: { readonly id: string; readonly machineId: string },
  cause: unknown,
): Promise<void> {
  try {
    await registry.completeOperation({
      operationId: id,
      machineIds: [machineId],
      succeeded: false,
      errorCode: cause instanceof LmsError ? cause.code : 'CANCELLED',
      errorMessage: cause instanceof LmsError ? cause.message : 'the operator went away',
      sequence: 0n,
      verifyReport: undefined,
      sha256: '',
      replicationServer: '',
      checkReportJson: '',
    });
  } catch {
    // The registry is away: its own deadline ends the operation, and the PUT finds nobody who waits.
  }
}
