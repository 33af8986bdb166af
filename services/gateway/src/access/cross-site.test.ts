import { expect, test } from '@jest/globals';
import { refuseCrossSite } from './cross-site.ts';

test('what changes nothing may be asked by any page; the browser keeps its answer from other sites', () => {
  expect(() => refuseCrossSite('GET', {})).not.toThrow();
});

test('a change needs the header that no page of another site can set', () => {
  const ours = { 'lms-console': '1', 'sec-fetch-site': 'same-origin' };
  for (const method of ['POST', 'PATCH', 'PUT', 'DELETE']) {
    expect(() => refuseCrossSite(method, ours)).not.toThrow();
    expect(() => refuseCrossSite(method, { 'lms-console': '1' })).not.toThrow();
    expect(() => refuseCrossSite(method, { 'sec-fetch-site': 'same-origin' })).toThrow('only the console');
  }
});

test('a change by a page of another site is refused whatever it could set, one of a sister host too', () => {
  for (const site of ['cross-site', 'same-site', 'none']) {
    expect(() => refuseCrossSite('PATCH', { 'lms-console': '1', 'sec-fetch-site': site })).toThrow('only the console');
  }
});
