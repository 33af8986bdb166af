import { expect, test } from '@jest/globals';
import { distributionOf, percentile, scaleDistribution } from './distribution.ts';
import { lagDistribution } from './lag.ts';
import { formatLinkRate, parseLinkRate } from './link-rate.ts';

test('percentiles are figures that were there', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.95)).toBe(95);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile([7], 0.95)).toBe(7);
  expect(distributionOf([3, 1, 2])).toEqual({ average: 2, p50: 2, p95: 3, peak: 3 });
  expect(distributionOf([])).toBeNull();
  expect(scaleDistribution({ average: 1, p50: 2, p95: 3, peak: 4 }, 2)).toEqual({
    average: 2,
    p50: 4,
    p95: 6,
    peak: 8,
  });
});

test('lag grows until a newer point is committed, and is then its age', () => {
  const points = [0, 10, 20].map((instantSeconds) => ({ instantSeconds, committedSeconds: instantSeconds + 2 }));
  const lag = lagDistribution(points, 2, 22);
  expect(lag?.peak).toBeCloseTo(12, 0);
  expect(lag?.p50).toBeCloseTo(7, 0);
  expect(lag?.average).toBeCloseTo(7, 0);
  expect(lagDistribution([], 0, 10)).toBeNull();
  expect(lagDistribution(points, 0, 1)).toBeNull();
});

test('rates are read and written as people do, in powers of ten', () => {
  expect(parseLinkRate('50Mbit/s')).toBe(50_000_000);
  expect(parseLinkRate('1.5 Gbit')).toBe(1_500_000_000);
  expect(parseLinkRate('64kbit/s')).toBe(64_000);
  for (const wrong of ['50', '50MB/s', '-1Mbit/s', '0Mbit/s', '1bit/s', 'Mbit/s', '10000Gbit/s'])
    expect(parseLinkRate(wrong)).toBeNull();
  expect(formatLinkRate(12_340_000)).toBe('12.3 Mbit/s');
  expect(formatLinkRate(999)).toBe('999 bit/s');
  expect(formatLinkRate(250_000_000)).toBe('250 Mbit/s');
  expect(formatLinkRate(null)).toBe('unknown');
});
