#include <Python.h>

#include "ikcp.h"

static PyObject *game_send(PyObject *self, PyObject *none)
{
    ikcpcb *kcp = ikcp_create(1, NULL);
    int sent = ikcp_send(kcp, "hello", 5);
    (void)self, (void)none;
    ikcp_release(kcp);
    return PyLong_FromLong(sent);
}

static PyMethodDef methods[] = {{"send", game_send, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "game", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_game(void) { return PyModule_Create(&module); }
