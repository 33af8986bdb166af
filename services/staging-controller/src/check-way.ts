/** Has the agent of a machine try an address of 1500, by an operation of the registry, and waits for what it found out. */
import { CheckReport } from '@lms/api';
import { LmsError } from '@lms/errors';
import {
  CreateOperationRequest,
  OperationKind,
  OperationState,
  type Operation,
  type RegistryService,
} from '@lms/proto';
import type { RpcClient } from '@lms/rpc';
import type { Endpoint } from './block-stream-ways.ts';
import type { CheckWay } from './way-changes.ts';

/** Above all steps of a check together. */
const CHECK_TIMEOUT_SECONDS = 120;
const WAIT_MILLISECONDS = 20_000;
/** On top of what the registry waits itself. */
const MARGIN_MILLISECONDS = 5_000;

type Registry = Pick<RpcClient<typeof RegistryService>, 'getMachine' | 'createOperation' | 'getOperation'>;

export function createCheckWay(registry: Registry): CheckWay {
  return async (machineId, endpoint, signal) => {
    const { machine } = await registry.getMachine({ idOrName: machineId }, { signal });
    // An operation would wait for it until its deadline, and the next one too.
    if (machine?.agentConnected !== true) return 'its agent is not connected to the manager now';
    const operation = await carriedOut(registry, checkOf(machineId, endpoint), signal);
    if (operation.state !== OperationState.SUCCEEDED) return operation.errorMessage;
    const report = CheckReport.safeParse(JSON.parse(operation.checkReportJson || 'null'));
    if (!report.success) return 'its agent told nothing that is understood here';
    const { result, failure } = report.data;
    return result === 'failed' ? (failure?.message ?? 'the check failed') : null;
  };
}

function checkOf(machineId: string, { host, port }: Endpoint): CreateOperationRequest {
  return {
    ...CreateOperationRequest.fromPartial({ idOrName: machineId, timeoutSeconds: CHECK_TIMEOUT_SECONDS }),
    kind: OperationKind.CHECK_FROM_AGENT,
    check: { target: '1500', address: { host, port, serverName: '' } },
  };
}

async function carriedOut(
  registry: Registry,
  request: CreateOperationRequest,
  signal: AbortSignal,
): Promise<Operation> {
  let { operation } = await registry.createOperation(request, { signal });
  while (operation?.state === OperationState.PENDING) {
    const { operationId } = operation;
    const settings = { signal, deadlineMilliseconds: WAIT_MILLISECONDS + MARGIN_MILLISECONDS };
    ({ operation } = await registry.getOperation({ operationId, waitMilliseconds: WAIT_MILLISECONDS }, settings));
  }
  if (operation === undefined) throw new LmsError('INTERNAL', 'the registry sent no operation');
  return operation;
}
