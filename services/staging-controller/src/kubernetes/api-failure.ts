/** What the API server refuses with, as our errors: its own sentence stays, the code says whether to try again. */
import { LmsError, type ErrorCode } from '@lms/errors';
import { z } from 'zod';

const STATUS = z.object({
  reason: z.string().default(''),
  message: z.string().default(''),
  details: z.object({ retryAfterSeconds: z.number().default(0) }).default({ retryAfterSeconds: 0 }),
});
const MESSAGE_LENGTH_MAX = 600;

export class ApiFailure extends LmsError {
  readonly status: number;
  /** Such as `AlreadyExists`; empty: it gave none. */
  readonly reason: string;
  /** How long it wants to be left alone. */
  readonly retryAfterSeconds: number;

  constructor(what: string, status: number, body: string) {
    const told = parseStatus(body);
    const sentence = told.message === '' ? `the API server answered ${status}` : told.message;
    super(codeOf(status, told), `${what}: ${sentence.slice(0, MESSAGE_LENGTH_MAX)}`);
    this.status = status;
    this.reason = told.reason;
    this.retryAfterSeconds = told.details.retryAfterSeconds;
  }
}

export function isApiFailure(thrown: unknown, status: number): thrown is ApiFailure {
  return thrown instanceof ApiFailure && thrown.status === status;
}

/** What to do about a refusal that waiting does not mend; empty: it may. `needed`: which rights, on what. */
export function adviceFor({ code }: LmsError, needed: string): string {
  if (code === 'PERMISSION_DENIED') return `. Grant ${needed} in the Role of staging-controller's service account`;
  if (code === 'UNAUTHENTICATED') {
    return ". The API server does not know who asks: see the pod's service account and its mounted token";
  }
  return '';
}

function parseStatus(body: string): z.infer<typeof STATUS> {
  try {
    return STATUS.parse(JSON.parse(body));
  } catch {
    return STATUS.parse({ message: body.trim() });
  }
}

function codeOf(status: number, { reason, message }: z.infer<typeof STATUS>): ErrorCode {
  if (status === 400 || status === 422) return 'INVALID_ARGUMENT';
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return message.includes('exceeded quota') ? 'RESOURCE_EXHAUSTED' : 'PERMISSION_DENIED';
  if (status === 404) return 'NOT_FOUND';
  if (status === 409) return reason === 'AlreadyExists' ? 'ALREADY_EXISTS' : 'ABORTED';
  if (status === 410) return 'ABORTED';
  return status === 429 || status >= 500 ? 'UNAVAILABLE' : 'INTERNAL';
}
