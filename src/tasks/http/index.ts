export {
  HttpBadResponseError,
  HttpBodyTooLargeError,
  HttpRefusedAddressError,
  HttpStatusError,
  HttpUnreachableError,
} from "./http-errors.ts";
export type {
  HttpHeaders,
  HttpMethod,
  HttpPollOptions,
  HttpSignOptions,
  HttpTaskOptions,
} from "./http-options.ts";
export { httpTask } from "./http-task.ts";
export { verifySignature } from "./signature.ts";
