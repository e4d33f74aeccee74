/* The floor: a LogMessage and a LogSource that do nothing, at the lowest price that CPython has.
 *
 * LogMessage(text) makes an empty object through tp_vectorcall and looks at nothing; post_message(msg) is a METH_O method
 * that returns None. What a loop over them costs is the interpreter's own price, which no engine can go below. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *message_vectorcall(PyObject *type, PyObject *const *arguments, size_t count, PyObject *names)
{
    (void)arguments, (void)count, (void)names;
    return PyObject_New(PyObject, (PyTypeObject *)type);
}

static void message_dealloc(PyObject *self) { PyObject_Free(self); }

static PyTypeObject Message = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "perf_floor.LogMessage",
    .tp_doc = "A message without anything in it.",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = message_dealloc,
    .tp_vectorcall = message_vectorcall,
};

static PyObject *source_post_message(PyObject *self, PyObject *message)
{
    (void)self, (void)message;
    Py_RETURN_NONE;
}

static PyMethodDef source_methods[] = {
    {"post_message", source_post_message, METH_O, "Does nothing."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject Source = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "perf_floor.LogSource",
    .tp_doc = "A source whose posts do nothing.",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_methods = source_methods,
    .tp_new = PyType_GenericNew,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "perf_floor",
    .m_doc = "What a loop of posts costs when nothing is done.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit_perf_floor(void)
{
    if (PyType_Ready(&Message) < 0 || PyType_Ready(&Source) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    if (PyModule_AddObjectRef(module, "LogMessage", (PyObject *)&Message) < 0
        || PyModule_AddObjectRef(module, "LogSource", (PyObject *)&Source) < 0)
        return NULL;
    return module;
}
