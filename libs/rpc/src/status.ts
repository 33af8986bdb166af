/**
 * `LmsError` ↔ gRPC status, both ways and nowhere else. The status code is for those who know only gRPC; the trailer
 * `lms-error-bin` carries the error as it was, so that nothing is lost between two services.
 */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { isErrorCode, LmsError, toLmsError, type ErrorCode } from '@lms/errors';
import { ErrorDetail } from '@lms/proto';

const DETAIL_TRAILER = 'lms-error-bin';

const STATUS_OF_CODE: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  ABORTED: status.ABORTED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  UNAVAILABLE: status.UNAVAILABLE,
  DATA_LOSS: status.DATA_LOSS,
  PROTOCOL_VIOLATION: status.INTERNAL,
  STAGING_FULL: status.RESOURCE_EXHAUSTED,
  STAGING_ON_SOURCE: status.FAILED_PRECONDITION,
  REMOVED: status.NOT_FOUND,
  FENCED: status.ABORTED,
  UNSUPPORTED: status.UNIMPLEMENTED,
  INTERNAL: status.INTERNAL,
};

const CODE_OF_STATUS: ReadonlyMap<status, ErrorCode> = new Map<status, ErrorCode>([
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.OUT_OF_RANGE, 'INVALID_ARGUMENT'],
  [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
  [status.PERMISSION_DENIED, 'PERMISSION_DENIED'],
  [status.NOT_FOUND, 'NOT_FOUND'],
  [status.ALREADY_EXISTS, 'ALREADY_EXISTS'],
  [status.FAILED_PRECONDITION, 'FAILED_PRECONDITION'],
  [status.ABORTED, 'ABORTED'],
  [status.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  [status.CANCELLED, 'CANCELLED'],
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.DATA_LOSS, 'DATA_LOSS'],
  [status.UNIMPLEMENTED, 'UNSUPPORTED'],
]);

/** What a server answers for whatever its handler threw. */
export function toStatus(thrown: unknown): { code: status; details: string; metadata: Metadata } {
  const error = toLmsError(thrown);
  const metadata = new Metadata();
  const detail = ErrorDetail.encode({
    code: error.code,
    message: error.message,
    action: error.action ?? '',
    field: error.field ?? '',
  }).finish();
  metadata.set(DETAIL_TRAILER, Buffer.from(detail));
  return { code: STATUS_OF_CODE[error.code], details: error.message, metadata };
}

/** What a caller gets for a failed call. `method`: such as `lms.v1.Registry/GetMachine`. */
export function fromStatus(failure: ServiceError, method: string): LmsError {
  const detail = failure.metadata.get(DETAIL_TRAILER)[0];
  if (Buffer.isBuffer(detail)) {
    const { code, message, action, field } = ErrorDetail.decode(detail);
    if (isErrorCode(code)) {
      return new LmsError(code, message, {
        ...(action !== '' && { action }),
        ...(field !== '' && { field }),
        cause: failure,
      });
    }
  }
  // From gRPC itself: nobody listens, the deadline passed, the certificate was refused.
  return new LmsError(CODE_OF_STATUS.get(failure.code) ?? 'INTERNAL', `${method}: ${failure.details}`, {
    cause: failure,
  });
}
