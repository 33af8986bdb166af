/** What ts-proto generates for a service, as types: the one source of the client's and the server's shape. */

interface MethodBase<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly requestDeserialize: (value: Buffer) => Request;
  readonly responseSerialize: (value: Response) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Response;
}

export interface UnaryMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: false;
}

export interface StreamingMethod<Request, Response> extends MethodBase<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: true;
}

/** Calls with a stream of requests are not used here; a service that has one does not type-check. */
// `never` and `unknown` stand where each method has its own types: the weakest that every method is assignable to.
export type ServiceDefinition = Readonly<
  Record<
    string,
    {
      readonly path: string;
      readonly requestStream: false;
      readonly responseStream: boolean;
      readonly requestSerialize: (value: never) => Buffer;
      readonly requestDeserialize: (value: Buffer) => unknown;
      readonly responseSerialize: (value: never) => Buffer;
      readonly responseDeserialize: (value: Buffer) => unknown;
    }
  >
>;
