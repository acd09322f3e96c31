export { Agent, serveAgent } from "./agent.ts";
export type { AgentChoice } from "./agent-directory.ts";
export { type AgentCall, type AgentMethod, type MethodDefinition, method } from "./agent-method.ts";
export type { AgentOptions, AgentTlsOptions } from "./agent-options.ts";
export type { GrpcMessage, GrpcServiceOptions } from "./grpc-service.ts";
export type { GrpcStatusName, GrpcVerdict, GrpcVerdicts } from "./grpc-status.ts";
export { type GrpcTaskOptions, grpcTask } from "./grpc-task.ts";
export { type AgentView, type ListAgentsOptions, listAgents } from "./list-agents.ts";
export {
  AgentAbsentError,
  AgentBusyError,
  AgentGoneError,
  AgentMethodUnknownError,
  AgentNameTakenError,
  AgentProtocolError,
  AgentRestartedError,
  CallAbortedError,
  type CallAbortReason,
  RpcDeniedError,
  RpcFailedError,
  RpcUnavailableError,
} from "./rpc-errors.ts";
export { type RpcTaskOptions, type RpcTlsOptions, rpcTask } from "./rpc-task.ts";
