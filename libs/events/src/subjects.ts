/** Subjects of the manager's streams. Each part is one token: ids that could be read as a wildcard or a path are refused. */
import { LmsError } from '@lms/errors';

const TOKEN_PATTERN = /^[A-Za-z0-9_=:-]{1,128}$/;

/** `lms.v1.event.machine-enrolled.m-1`. */
export function eventSubject(kind: string, machineId: string): string {
  return `lms.v1.event.${subjectToken(kind)}.${subjectToken(machineId)}`;
}

/** `lms.v1.stats.agent.m-1`. */
export function statisticsSubject(kind: 'agent' | 'replication-server' | 'refused-call', id: string): string {
  return `lms.v1.stats.${kind}.${subjectToken(id)}`;
}

/** `lms.v1.log.agent.m-1`. */
export function logSubject(source: string, id: string): string {
  return `lms.v1.log.${subjectToken(source)}.${subjectToken(id)}`;
}

export function subjectToken(value: string): string {
  if (TOKEN_PATTERN.test(value)) return value;
  throw new LmsError('INVALID_ARGUMENT', `${JSON.stringify(value)} cannot be an id or a kind`, {
    action: 'Use 1 to 128 letters, digits, and any of _ = : -',
  });
}
