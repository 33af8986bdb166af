// Values as people read them.
import { UNITS } from './retention-editor.js';

const NAMES = {
  stagingProxy: 'Proxy of the staging area',
  'blockStream.use': 'Connection to port 1500',
  'blockStream.private': 'Private address of port 1500',
  'blockStream.public': 'Public address of port 1500',
  bandwidth: 'Bandwidth',
  replicationServerBandwidth: 'Bandwidth of a replication server',
  pointIntervalSeconds: 'A point every',
  freezing: 'Freezing',
  freezeIntervalSeconds: 'A freeze at most every',
  compression: 'Compression',
  retention: 'Retention',
};

export function nameOf(setting) {
  return NAMES[setting] ?? setting;
}

/** `value`: undefined is whatever holds without it. */
export function wordsOf(setting, value) {
  if (value === undefined) return 'as without it';
  switch (setting) {
    case 'stagingProxy':
      return value === null ? 'directly' : proxyWords(value);

    case 'blockStream.use':
      return (
        { any: 'any address', public: 'public address only', private: 'private address only' }[value] ?? String(value)
      );
    case 'blockStream.private':
    case 'blockStream.public':
      if (value === null) return 'as the installation found it';
      return value.port === null ? value.host : `${value.host}, port ${value.port}`;
    case 'bandwidth':
    case 'replicationServerBandwidth':
      return bandwidthWords(value);
    case 'pointIntervalSeconds':
    case 'freezeIntervalSeconds':
      return durationWords(value);
    case 'freezing':
      return value ? 'on' : 'off';
    case 'retention':
      return value
        .map(
          ({ everySeconds, keepSeconds }) =>
            `one every ${durationWords(everySeconds)} for ${durationWords(keepSeconds)}`,
        )
        .join('; ');
    default:
      return value === null ? 'none' : String(value);
  }
}

function bandwidthWords({ limitBitsPerSecond, schedule, timeZone }) {
  const limit = limitWords(limitBitsPerSecond);
  if (schedule.length === 0) return limit;
  const rows = schedule.map(
    ({ days, from, to, limitBitsPerSecond: own }) => `${daysWords(days)} ${from} to ${to}: ${limitWords(own)}`,
  );
  return `${rows.join('; ')}; else ${limit} (${timeZone})`;
}

function proxyWords({ url, username, password, noProxy, caPem }) {
  const parts = [url];
  if (username !== null) parts.push(`user ${username}`);
  if (password === null) parts.push('without a password');
  else if (password !== undefined) parts.push('another password');
  if (noProxy.length > 0) parts.push(`not for ${noProxy.join(', ')}`);
  if (caPem !== null) parts.push('with a further CA');
  return parts.join(', ');
}

function limitWords(bitsPerSecond) {
  return bitsPerSecond === null ? 'no limit' : `${bitsPerSecond / 1_000_000} Mbit/s`;
}

function daysWords(days) {
  return days.length === 7 ? 'every day' : days.map((day) => day.charAt(0).toUpperCase() + day.slice(1, 3)).join(', ');
}

function durationWords(seconds) {
  const { name, seconds: unit } = UNITS.find((candidate) => seconds % candidate.seconds === 0);
  const count = seconds / unit;
  return count === 1 ? `1 ${name.slice(0, -1)}` : `${count} ${name}`;
}

export function instantWords(instant) {
  return instant === null
    ? 'unknown'
    : new Date(instant).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
