/** What an answer to `GET /v1/ca` says about who answered. No I/O. */
import { CertificateAuthorityAnswer, Problem } from '@lms/api';
import { certificateSha256 } from '@lms/identity';
import { StepFailure } from '../report/step-failure.ts';

export interface AnsweredAuthority {
  readonly caPem: string;
  readonly sha256: string;
}

type Answer = { readonly status: number; readonly text: string };

/** Throws the failure that the answer means. */
export function readAuthority({ status, text }: Answer, origin: string): AnsweredAuthority {
  const answer = CertificateAuthorityAnswer.safeParse(jsonOrNull(text));
  if (status === 200 && answer.success) {
    const sha256 = shaOrNull(answer.data.certificatePem);
    if (sha256 !== null) return { caPem: answer.data.certificatePem, sha256 };
  }
  const problem = Problem.safeParse(jsonOrNull(text));
  if (problem.success) {
    throw new StepFailure('HTTP_STATUS', `${origin} answered ${status}: ${problem.data.detail}`);
  }
  if (status >= 500 || status === 429) {
    throw new StepFailure('HTTP_STATUS', `${origin} answered ${status}, and it is not the manager that says so`);
  }
  const title = /<title>([^<]{1,100})/i.exec(text)?.[1]?.trim();
  const page = title === undefined ? '' : `, with a page called ${JSON.stringify(title)}`;
  throw new StepFailure('HTTP_NOT_A_MANAGER', `${origin}/v1/ca answered ${status}${page}, not the CA of a manager`);
}

/** A refusal of the manager in its own words, as a failure of the step that it belongs to. */
export function readRefusal({ status, text }: Answer, origin: string): StepFailure {
  const problem = Problem.safeParse(jsonOrNull(text));
  if (!problem.success) return new StepFailure('HTTP_STATUS', `${origin} answered ${status} without saying why`);
  const { code, detail, action } = problem.data;
  const message = action === undefined ? detail : `${detail} (${action})`;
  if (code === 'REMOVED') return new StepFailure('MACHINE_REMOVED', message);
  const refused = code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
  return new StepFailure(refused ? 'CERTIFICATE_NOT_ACCEPTED' : 'HTTP_STATUS', message);
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function shaOrNull(pem: string): string | null {
  try {
    return certificateSha256(pem);
  } catch {
    return null;
  }
}
