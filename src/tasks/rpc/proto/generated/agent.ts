// Made from agent.proto by scripts/proto.mjs; not edited by hand.

export const agentDescriptor: object = {
  "nested": {
    "etask": {
      "nested": {
        "agent": {
          "nested": {
            "v1": {
              "nested": {
                "Agent": {
                  "methods": {
                    "Call": {
                      "requestType": "CallRequest",
                      "responseType": "CallEvent",
                      "responseStream": true
                    },
                    "Cancel": {
                      "requestType": "CancelRequest",
                      "responseType": "CancelResponse"
                    },
                    "Health": {
                      "requestType": "HealthRequest",
                      "responseType": "HealthResponse"
                    }
                  }
                },
                "CallRequest": {
                  "fields": {
                    "protocol": {
                      "type": "uint32",
                      "id": 1
                    },
                    "incarnation": {
                      "type": "string",
                      "id": 2
                    },
                    "task": {
                      "type": "string",
                      "id": 3
                    },
                    "attempt": {
                      "type": "uint32",
                      "id": 4
                    },
                    "fence": {
                      "type": "uint64",
                      "id": 5
                    },
                    "method": {
                      "type": "string",
                      "id": 6
                    },
                    "input": {
                      "type": "bytes",
                      "id": 7
                    },
                    "headers": {
                      "keyType": "string",
                      "type": "string",
                      "id": 8
                    }
                  }
                },
                "CallEvent": {
                  "oneofs": {
                    "event": {
                      "oneof": [
                        "accepted",
                        "progress",
                        "log",
                        "result",
                        "failure"
                      ]
                    }
                  },
                  "fields": {
                    "accepted": {
                      "type": "Accepted",
                      "id": 1
                    },
                    "progress": {
                      "type": "Progress",
                      "id": 2
                    },
                    "log": {
                      "type": "Log",
                      "id": 3
                    },
                    "result": {
                      "type": "Result",
                      "id": 4
                    },
                    "failure": {
                      "type": "Failure",
                      "id": 5
                    }
                  }
                },
                "Accepted": {
                  "fields": {}
                },
                "Progress": {
                  "fields": {
                    "percent": {
                      "type": "double",
                      "id": 1
                    },
                    "detail": {
                      "type": "bytes",
                      "id": 2
                    }
                  }
                },
                "Log": {
                  "fields": {
                    "text": {
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "Result": {
                  "fields": {
                    "output": {
                      "type": "bytes",
                      "id": 1
                    }
                  }
                },
                "Failure": {
                  "fields": {
                    "name": {
                      "type": "string",
                      "id": 1
                    },
                    "message": {
                      "type": "string",
                      "id": 2
                    },
                    "code": {
                      "type": "string",
                      "id": 3
                    },
                    "stack": {
                      "type": "string",
                      "id": 4
                    },
                    "cause": {
                      "type": "Failure",
                      "id": 5
                    },
                    "final": {
                      "type": "bool",
                      "id": 6
                    },
                    "retryAfterMs": {
                      "type": "uint64",
                      "id": 7,
                      "protoName": "retry_after_ms"
                    }
                  }
                },
                "CancelRequest": {
                  "fields": {
                    "task": {
                      "type": "string",
                      "id": 1
                    },
                    "fence": {
                      "type": "uint64",
                      "id": 2
                    },
                    "reason": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "CancelResponse": {
                  "fields": {
                    "found": {
                      "type": "bool",
                      "id": 1
                    }
                  }
                },
                "HealthRequest": {
                  "fields": {}
                },
                "HealthResponse": {
                  "fields": {
                    "protocol": {
                      "type": "uint32",
                      "id": 1
                    },
                    "incarnation": {
                      "type": "string",
                      "id": 2
                    },
                    "serving": {
                      "type": "bool",
                      "id": 3
                    },
                    "running": {
                      "type": "uint32",
                      "id": 4
                    },
                    "version": {
                      "type": "string",
                      "id": 5
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
};
