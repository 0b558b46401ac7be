#include <node_api.h>

#include "ikcp.h"

static napi_value game_send(napi_env env, napi_callback_info info)
{
    napi_value result;
    ikcpcb *kcp = ikcp_create(1, NULL);
    (void)info;
    napi_create_int32(env, ikcp_send(kcp, "hello", 5), &result);
    ikcp_release(kcp);
    return result;
}

NAPI_MODULE_INIT()
{
    napi_value function;
    napi_create_function(env, "send", NAPI_AUTO_LENGTH, game_send, NULL, &function);
    napi_set_named_property(env, exports, "send", function);
    return exports;
}
