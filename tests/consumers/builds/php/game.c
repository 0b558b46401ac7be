#include <php.h>

#include "ikcp.h"

ZEND_BEGIN_ARG_INFO(no_arguments, 0)
ZEND_END_ARG_INFO()

PHP_FUNCTION(game_send)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    int sent = ikcp_send(kcp, "hello", 5);
    ikcp_release(kcp);
    RETURN_LONG(sent);
}

static const zend_function_entry functions[] = {PHP_FE(game_send, no_arguments) PHP_FE_END};
zend_module_entry game_module_entry = {
    STANDARD_MODULE_HEADER, "game", functions, NULL, NULL, NULL, NULL, NULL, "1", STANDARD_MODULE_PROPERTIES};
ZEND_GET_MODULE(game)
