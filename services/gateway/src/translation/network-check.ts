/** Checks of the network: the registry keeps a report as the text that was validated when it came. */
import { CheckReport, CheckTarget, type AgentCheck, type ReplicationServerCheck } from '@lms/api';
import { LmsError } from '@lms/errors';
import { OperationKind, type Operation } from '@lms/proto';

export function reportedCheck(report: CheckReport | undefined): string {
  return report === undefined ? '' : JSON.stringify(report);
}

/** null: there is none, or one of a newer gateway that this one cannot show. */
export function checkReportAnswer(json: string): CheckReport | null {
  if (json === '') return null;
  try {
    return CheckReport.parse(JSON.parse(json));
  } catch {
    return null;
  }
}

export function isCheckOfAgent({ kind }: Operation): boolean {
  return kind === OperationKind.CHECK_FROM_AGENT;
}

export function isCheckOfReplicationServer({ kind }: Operation): boolean {
  return kind === OperationKind.CHECK_FROM_REPLICATION_SERVER;
}

export function agentCheck(operation: Operation): AgentCheck {
  const address = operation.check?.address;
  if (address === undefined) return askedCheck(operation);
  const { host, port, serverName } = address;
  return { ...askedCheck(operation), address: { host, port, ...(serverName === '' ? {} : { serverName }) } };
}

export function replicationServerCheck(operation: Operation): ReplicationServerCheck {
  return askedCheck(operation);
}

function askedCheck({ operationId, check, deadline }: Operation) {
  const target = CheckTarget.safeParse(check?.target);
  if (!target.success) throw new LmsError('INTERNAL', `the registry sent a check of ${JSON.stringify(check?.target)}`);
  const remainingSeconds = Math.max(0, ((deadline?.getTime() ?? 0) - Date.now()) / 1_000);
  return { id: operationId, target: target.data, remainingSeconds };
}
