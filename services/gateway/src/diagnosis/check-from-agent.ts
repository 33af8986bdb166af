/** Has the agent check its way to 1500 step by step, where what is known leaves more than one cause. */
import { LmsError, toLmsError } from '@lms/errors';
import { OperationKind, OperationState } from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import type { ServiceClients } from '../manager-services.ts';
import { checkReportAnswer } from '../translation/network-check.ts';
import type { CheckFacts } from './facts.ts';

/** A person waits; each step is bounded by some seconds. */
const TIMEOUT_SECONDS = 40;
/** Of one question to the registry. */
const WAIT_MILLISECONDS = 20_000;

/** Causes of which a check can tell what lies behind. */
export const WORTH_A_CHECK: ReadonlySet<string> = new Set(['HANDSHAKE_STALLED', 'OTHER']);

/** Null: the agent did not report in time, or cannot check. Never rejects. */
export async function checkFromAgent(
  { registry }: Pick<ServiceClients, 'registry'>,
  machineId: string,
): Promise<CheckFacts | null> {
  try {
    const { operation } = await registry.createOperation({
      idOrName: machineId,
      kind: OperationKind.CHECK_FROM_AGENT,
      consistency: 0,
      sequence: 0n,
      diskId: '',
      timeoutSeconds: TIMEOUT_SECONDS,
      traceparent: activeTraceparent() ?? '',
      idempotencyKey: '',
      checkpointId: '',
      offsetBytes: 0n,
      lengthBytes: 0n,
      replicationServer: '',
      check: { target: '1500', address: undefined },
    });
    if (operation === undefined) throw new LmsError('INTERNAL', 'the registry sent no operation');
    return await waitForReport(registry, operation.operationId);
  } catch (thrown) {
    const { message } = toLmsError(thrown);
    return { at: new Date(), reason: null, message: `could not be asked for: ${message}` };
  }
}

async function waitForReport(registry: ServiceClients['registry'], operationId: string): Promise<CheckFacts | null> {
  const deadline = performance.now() + TIMEOUT_SECONDS * 1_000;
  while (performance.now() < deadline) {
    const { operation } = await registry.getOperation(
      { operationId, waitMilliseconds: WAIT_MILLISECONDS },
      { deadlineMilliseconds: WAIT_MILLISECONDS + 5_000 },
    );
    if (operation === undefined || operation.state === OperationState.PENDING) continue;
    const report = checkReportAnswer(operation.checkReportJson);
    if (report === null) return null;
    const { failure, at, result } = report;
    const message = failure === null ? `${result}: ${report.to}` : `${failure.step}: ${failure.message}`;
    return { at: new Date(at), reason: failure?.reason ?? null, message };
  }
  return null;
}
