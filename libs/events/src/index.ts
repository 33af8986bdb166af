/** NATS JetStream for the manager's services: facts, statistics, logs, and state with compare-and-set. */
export { EventConnection, EVENTS_CONFIGURATION, readEventsOptions, type EventsOptions } from './connection.ts';
export { FactConsumer, type FactConsumerOptions } from './consume.ts';
export { listDeadLetters, replayDeadLetter, type DeadLetter, type DeadLetterPage } from './dead-letters.ts';
export { eventKind, PAYLOAD_BYTES_MAX, publish, publishFact, type Published, type PublishSettings } from './publish.ts';
export { StateBucket, type StateBucketOptions, type StateEntry, type StatePage } from './state-bucket.ts';
export { jsonState, messageState, type StateCodec } from './state-codec.ts';
export { StreamFollower, type StreamFollowerOptions } from './stream-follower.ts';
export { readStream, type ReadSettings, type StoredMessage } from './stream-reader.ts';
export {
  DEAD_LETTER_STREAM,
  ensureStream,
  EVENT_STREAM,
  LOG_STREAM,
  STATISTICS_STREAM,
  type StreamDescription,
} from './streams.ts';
export { eventSubject, logSubject, statisticsSubject, subjectToken } from './subjects.ts';
export { untilAnswered } from './until-answered.ts';
