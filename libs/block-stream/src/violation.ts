import { LmsError } from '@lms/errors';

/** What a peer gets (R8): which frame, which field, what is wrong with it. */
export function protocolViolation(frame: string, field: string, problem: string): LmsError {
  return new LmsError('PROTOCOL_VIOLATION', `Frame ${frame}, field ${field}: ${problem}`, {
    field,
    action:
      'Both ends must speak the protocol of docs/protocol.md; check that agent and replication server are of this release.',
  });
}
