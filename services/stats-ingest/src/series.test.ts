import { expect, test } from '@jest/globals';
import { AgentSample } from '@lms/proto';
import { seriesOf } from './series.ts';

test('the lag at each instant is that of the newest point committed by then, and unknown before the first', () => {
  const samples = [1_000, 2_000, 3_000, 4_000].map((at) => AgentSample.fromPartial({ at: new Date(at) }));
  const commits = [
    { instantMilliseconds: 500, committedMilliseconds: 1_500 },
    { instantMilliseconds: 2_600, committedMilliseconds: 3_000 },
  ];
  expect(seriesOf(samples, commits).map(({ lagSeconds }) => lagSeconds)).toEqual([undefined, 1.5, 0.4, 1.4]);
});
