/** Every break. Each rule has one at least, and a test of the suite says so. */
import type { Break } from '../break.ts';
import { POINT_BREAKS } from './points.ts';
import { SAFETY_BREAKS } from './safety.ts';
import { STORE_BREAKS } from './store.ts';
import { STREAM_BREAKS } from './stream.ts';
import { TRACKING_BREAKS } from './tracking.ts';

export const BREAKS: readonly Break[] = [
  ...TRACKING_BREAKS,
  ...STREAM_BREAKS,
  ...STORE_BREAKS,
  ...POINT_BREAKS,
  ...SAFETY_BREAKS,
];
