/**
 * The HTTP side of every route alike: who asks, how often, how long a body may be, which schema it must have, how errors
 * are told, and how a trace goes on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastifySwagger from '@fastify/swagger';
import { MAXIMUM_BODY_BYTES, PROBLEM_MEDIA_TYPE } from '@lms/api';
import { LmsError } from '@lms/errors';
import { PRODUCT_VERSION } from '@lms/rpc';
import { nameHttpSpan, type Logger } from '@lms/telemetry';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Authentication } from '../access/authentication.ts';
import { callerKey, type Access, type Caller } from '../access/caller.ts';
import { isToBeRenewed, type ConsoleSessions, type ConsoleSessionState } from '../access/console-session.ts';
import { refuseCrossSite } from '../access/cross-site.ts';
import { RATES, RateLimiter, SIGN_IN_RATE } from '../access/rate-limit.ts';
import { clientAddress } from './client-address.ts';
import { errorOf, problemOf } from './problem.ts';
import { decodeBody } from './request-body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
    /** Null: the caller is not known by a cookie of the console. */
    consoleSession: ConsoleSessionState | null;
    /** IP address that it came from, behind the proxies that are believed. */
    callerAddress: string;
  }
  interface FastifyContextConfig {
    /** Who may ask. */
    access?: Access;
    /** Takes a secret that a person types: limited much closer. */
    signsIn?: boolean;
    /** See `AccessRequest`. */
    withoutRegistry?: boolean;
    /** Its body is passed on as it comes: no decoding, no limit of length or time here. */
    streamsBody?: boolean;
  }
}

export type Application = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Request line and headers must be here by then. Bodies have limits of their own; an export takes hours. */
export const HEADERS_TIMEOUT_MILLISECONDS = 15_000;
/** Above the 60 s that proxies keep idle connections, so that it is they who close. */
export const KEEP_ALIVE_MILLISECONDS = 75_000;
/** One ingress. */
const DEFAULT_FORWARDED_HOPS = 1;
const RETRY_AFTER_SECONDS = '1';

export interface ApplicationOptions {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly authentication: Authentication;
  readonly sessions: ConsoleSessions;
  readonly logger: Logger;
  /** See `clientAddress`. Default 1. */
  readonly forwardedHops?: number;
}

export async function createApplication(options: ApplicationOptions): Promise<Application> {
  const { authentication, sessions, logger } = options;
  const limiter = new RateLimiter();
  const application = fastify({
    https: { key: options.privateKeyPem, cert: options.certificatePem, minVersion: 'TLSv1.2' },
    bodyLimit: MAXIMUM_BODY_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
    requestTimeout: 0,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
  }).withTypeProvider<ZodTypeProvider>() as unknown as Application;
  application.server.headersTimeout = HEADERS_TIMEOUT_MILLISECONDS;
  application.setValidatorCompiler(validatorCompiler);
  application.setSerializerCompiler(serializerCompiler);
  application.decorateRequest('caller');
  application.decorateRequest('consoleSession', null);
  application.decorateRequest('callerAddress', '');
  await application.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Live Migration Service', version: PRODUCT_VERSION, license: { name: 'Apache-2.0' } },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  });

  application.addHook('onRoute', (route) => {
    if (route.config?.access === undefined) throw new Error(`route ${route.url} does not say who may ask`);
    if (route.config.access !== 'anyone') {
      route.schema = { ...route.schema, security: [{ bearer: [] }], tags: [route.config.access] };
    } else route.schema = { ...route.schema, tags: [route.config.access] };
  });
  application.addHook('onRequest', async (request, reply) => {
    const { url, config } = request.routeOptions;
    if (url === undefined || config.access === undefined) return;
    nameHttpSpan(request.method, url.replaceAll(/:(\w+)/g, '{$1}'));
    const now = performance.now();
    const address = clientAddress(request.raw, options.forwardedHops ?? DEFAULT_FORWARDED_HOPS);
    request.callerAddress = address;
    // Before the credential is looked at: guessing one is limited too.
    if (config.access === 'anyone') limiter.take(callerKey({ kind: 'anyone' }, address), RATES.anyone, now);
    if (config.signsIn === true) limiter.take(`sign-in ${address}`, SIGN_IN_RATE, now);
    const { authorization, cookie } = request.headers;
    const byCookie = config.access === 'operator' && authorization === undefined;
    const session = byCookie ? await sessions.read(cookie, Date.now()) : null;
    if (session !== null) refuseCrossSite(request.method, request.headers);
    request.caller = await authentication.authenticate({
      access: config.access,
      authorization,
      sessionToken: session?.apiToken ?? null,
      withoutRegistry: config.withoutRegistry === true,
    });
    if (config.access !== 'anyone') {
      limiter.take(callerKey(request.caller, address), RATES[config.access], now);
    }
    if (session === null) return;
    request.consoleSession = session;
    if (!isToBeRenewed(session, Date.now())) return;
    reply.header('set-cookie', await sessions.cookieOf(session.apiToken, session.signedInAtMilliseconds, Date.now()));
  });
  application.addHook('preParsing', async (request, reply, payload) =>
    request.routeOptions.config.streamsBody === true ? payload : decodeBody(request, reply, payload),
  );

  application.setNotFoundHandler((request) => {
    throw new LmsError('NOT_FOUND', `${request.method} ${request.url.split('?')[0]} is no route of this manager`, {
      action: 'see GET /v1/openapi.json',
    });
  });
  application.setErrorHandler((thrown, request, reply) => {
    const error = errorOf(thrown);
    const route = request.routeOptions.url ?? 'unknown';
    if (error.code === 'INTERNAL') logger.error({ error: thrown, method: request.method, route }, 'a request failed');
    else logger.debug({ code: error.code, method: request.method, route }, error.message);
    const problem = problemOf(error);
    if (problem.status === 429 || problem.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
    // What is left of the body is not worth reading.
    if (request.routeOptions.config.streamsBody === true) reply.header('connection', 'close');
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
    return reply
      .code(problem.status)
      .type(PROBLEM_MEDIA_TYPE)
      .serializer((payload: unknown) => JSON.stringify(payload))
      .send(problem);
  });
  return application;
}
