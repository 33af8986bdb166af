import { Problem } from '@lms/api';
import type { z } from 'zod';

/** The answers of a route: one when all went well, problem documents otherwise. */
export function answers<Answer extends z.ZodType>(answer: Answer) {
  return { 200: answer, '4xx': Problem, '5xx': Problem };
}

/** Of a request that was taken and is carried out later. */
export function accepted<Answer extends z.ZodType>(answer: Answer) {
  return { 202: answer, '4xx': Problem, '5xx': Problem };
}
