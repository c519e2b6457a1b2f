"""The table from kind of error to gRPC status, and back; ``chassis.status`` has HTTP's."""

from grpc import StatusCode

from chassis import errors

GRPC_STATUS: dict[type[errors.ServiceError], StatusCode] = {
    errors.InvalidInput: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.PreconditionFailed: StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: StatusCode.PERMISSION_DENIED,
    errors.LimitExceeded: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
}

KIND_OF_GRPC_STATUS: dict[StatusCode, type[errors.ServiceError]] = {
    status: kind for kind, status in GRPC_STATUS.items()
}
