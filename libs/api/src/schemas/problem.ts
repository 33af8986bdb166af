import { z } from 'zod';

/** RFC 9457. `code` is one of `ERROR_CODES` of @lms/errors; `action` says what to do; `field` what is wrong. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  field: z.string().optional(),
  action: z.string().optional(),
});
export type Problem = z.infer<typeof Problem>;

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';
